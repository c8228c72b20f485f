package plan

import (
	"maps"
	"slices"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
)

// Maps have no order, and what is told has one.

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func sortedKeys[V any](m map[addr.Key]V) []addr.Key {
	return slices.SortedFunc(maps.Keys(m), addr.Key.Compare)
}

func sortedBlocks(cfg *config.Config) []addr.Resource { return sortedResources(cfg.Resources) }

func sortedResources[V any](m map[addr.Resource]V) []addr.Resource {
	return slices.SortedFunc(maps.Keys(m), addr.Resource.Compare)
}

func sortedInstances[V any](m map[addr.Instance]V) []addr.Instance {
	return slices.SortedFunc(maps.Keys(m), addr.Instance.Compare)
}
