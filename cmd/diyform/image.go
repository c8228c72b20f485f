package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers/container"
	"github.com/diyform/diyform/providers/container/image"
	"github.com/diyform/diyform/providers/container/supervisor"
	"github.com/diyform/diyform/state"
)

func newImage(v *view) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Look at the store of images, fill it and clean it up",
		Long: "Images that root_image resources get are kept in a store that all stacks of a user share. They stay there\n" +
			"when the resource is destroyed, until `diyform image prune`.",
		Args: commandsOnly, RunE: showHelp,
	}
	cmd.AddCommand(newImageList(v), newImageInspect(v), newImagePull(v), newImagePrune(v))
	return cmd
}

// imageRow is an image as `diyform image list -json` shows it. Scripts rely on the keys.
type imageRow struct {
	ID      string      `json:"id"`
	Digest  string      `json:"digest"`
	Source  string      `json:"source"`
	Created time.Time   `json:"created"`
	Size    int64       `json:"size"` // bytes
	Layers  int         `json:"layers"`
	UsedBy  []image.Use `json:"used_by"`
}

func newImageList(v *view) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the images of the store",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := imageRows(cmd.Context())
			if err != nil {
				return v.failWith(err, "The images cannot be listed")
			}
			if asJSON {
				return v.json(rows)
			}
			v.printImages(rows)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func imageRows(ctx context.Context) ([]imageRow, error) {
	store := image.Below(dataRoot())
	list, err := store.List()
	if err != nil {
		return nil, err
	}
	uses, err := store.Uses(func(u image.Use) bool { return holdsImage(ctx, u) })
	if err != nil {
		return nil, err
	}
	rows := []imageRow{}
	for _, d := range list {
		row := imageRow{
			ID: d.ID, Digest: d.Digest, Source: d.Source, Created: d.Created, Size: d.Size, Layers: d.Layers(),
			UsedBy: []image.Use{},
		}
		row.UsedBy = append(row.UsedBy, uses[d.ID]...)
		rows = append(rows, row)
	}
	return rows, nil
}

func (v *view) printImages(rows []imageRow) {
	if len(rows) == 0 {
		v.printf("There are no images.\n")
		return
	}
	w := tabwriter.NewWriter(v.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "ID\tSOURCE\tSIZE\tLAYERS\tUSED BY")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", shortImageID(r.ID), r.Source, image.Bytes(r.Size), r.Layers, usedBy(r.UsedBy))
	}
	w.Flush()
}

// shortImageID is enough of an id to tell images apart, and to name one on the command line.
func shortImageID(id string) string { return strings.TrimPrefix(id, image.Prefix+"sha256:")[:12] }

func usedBy(uses []image.Use) string {
	var names []string
	for _, u := range uses {
		if u.Stack == "" {
			names = append(names, "image pull")
			continue
		}
		names = append(names, u.Address+" in "+u.Stack)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func newImageInspect(v *view) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect ID|SOURCE|ADDRESS",
		Short: "Show an image with its configuration and history, as JSON",
		Long: "Shows an image of the store as JSON. It is named by its id or the beginning of it, by the source that it came\n" +
			"from, or by the address of a root_image of the stack in the working folder.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := findImage(args[0])
			if err != nil {
				return v.failWith(err, "The image cannot be shown")
			}
			img, err := image.Below(dataRoot()).Load(d.ID)
			if err != nil {
				return v.failWith(err, "The image cannot be shown")
			}
			return v.json(struct {
				ID      string          `json:"id"`
				Digest  string          `json:"digest"`
				Source  string          `json:"source"`
				Created time.Time       `json:"created"`
				Size    int64           `json:"size"`
				Layers  []string        `json:"layers"` // paths, the top one first
				Config  json.RawMessage `json:"config"` // in OCI's format
			}{d.ID, d.Digest, d.Source, d.Created, d.Size, img.Layers, d.Config})
		},
	}
}

// findImage finds an image by what people call it.
func findImage(name string) (image.Document, error) {
	if id, ok := idOfResource(name); ok {
		name = id
	}
	list, err := image.Below(dataRoot()).List()
	if err != nil {
		return image.Document{}, err
	}
	bare := strings.TrimPrefix(strings.TrimPrefix(name, image.Prefix), "sha256:")
	for _, d := range list {
		full := strings.TrimPrefix(d.ID, image.Prefix+"sha256:")
		if d.Source == name || d.Digest == name || len(bare) >= 4 && strings.HasPrefix(full, bare) {
			return d, nil
		}
	}
	return image.Document{}, &diag.Problem{
		Summary: "No such image",
		Detail:  fmt.Sprintf("The store has no image %q. `diyform image list` lists those that it has.", name),
	}
}

// idOfResource gives the id of a root_image of the working folder's stack.
func idOfResource(address string) (string, bool) {
	a, err := addr.Parse(address)
	if err != nil || a.Type != "root_image" {
		return "", false
	}
	st, err := loadState()
	if err != nil || st.Resources[a] == nil {
		return "", false
	}
	var attrs struct {
		ID string `json:"id"`
	}
	err = json.Unmarshal(st.Resources[a].Attributes, &attrs)
	return attrs.ID, err == nil
}

func newImagePull(v *view) *cobra.Command {
	var src image.Source
	cmd := &cobra.Command{
		Use:   "pull SOURCE",
		Short: "Bring an image into the store",
		Long: "Brings an image of a registry, an image layout or an archive of one into the store, and prints its id. It\n" +
			"stays until `diyform image prune -all`.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := os.Getwd()
			if err != nil {
				return v.failWith(err, "")
			}
			src.Name, src.Dir = args[0], dir
			store := image.Below(dataRoot())
			img, err := store.Pull(cmd.Context(), src, func(text string) { fmt.Fprintf(v.err, "%s\n", text) })
			if err != nil {
				return v.failWith(container.ExplainImage(src.Name, err), "")
			}
			if err := store.Use(image.Use{Lineage: "pulled", Address: img.ID, Image: img.ID}); err != nil {
				return v.failWith(err, "The image cannot be kept")
			}
			v.printf("%s\n", img.ID)
			return nil
		},
	}
	cmd.Flags().StringVar(&src.Platform, "platform", "", "operating system and architecture, as in linux/arm64")
	cmd.Flags().BoolVar(&src.Insecure, "insecure", false, "the registry may speak HTTP, or have a certificate that proves nothing")
	return cmd
}

func newImagePrune(v *view) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove images and layers that no stack uses",
		Long: "Removes the images that no root_image of any stack uses, and layers that no image has. A stack whose folder or\n" +
			"state is gone uses nothing but what its containers are started from, as long as there are any.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := pruneImages(cmd.Context(), all)
			if err != nil {
				return v.failWith(err, "The store cannot be cleaned up")
			}
			for _, d := range p.Images {
				v.printf("%s  %s\n", shortImageID(d.ID), d.Source)
			}
			v.printf("Removed %d images and %d layers: %s are free.\n", len(p.Images), p.Layers, image.Bytes(p.Size))
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also images that were brought in by image pull")
	return cmd
}

func pruneImages(ctx context.Context, all bool) (image.Pruned, error) {
	store := image.Below(dataRoot())
	holds := func(u image.Use) bool {
		if u.Stack == "" {
			return !all
		}
		return holdsImage(ctx, u)
	}
	uses, err := store.Uses(holds)
	if err != nil {
		return image.Pruned{}, err
	}
	layers, err := containersLayers()
	if err != nil {
		return image.Pruned{}, err
	}
	p, err := store.Prune(ctx, image.Keep{
		Image: func(d image.Document) bool { return len(uses[d.ID]) > 0 }, Use: holds, Layers: layers,
	})
	_ = os.Remove(dataRoot()) // it stays if there is anything in it
	return p, err
}

// containersLayers gives the layers that this user's containers are started from, also those
// whose stack was moved, or whose state is gone.
func containersLayers() (map[string]bool, error) {
	records, err := supervisor.Records(runtimeRoot())
	if err != nil {
		return nil, err
	}
	layers := map[string]bool{}
	for _, r := range records {
		for _, path := range r.Spec.Root.Layers {
			layers[path] = true
		}
	}
	return layers, nil
}

// holdsImage reports whether the stack of a use still has its resource. What cannot be read,
// or is being worked on, may: too much kept is better than too little.
func holdsImage(ctx context.Context, u image.Use) bool {
	if u.Stack == "" {
		return true
	}
	names, err := state.Workspaces(u.Stack)
	return err != nil || slices.ContainsFunc(names, func(name string) bool { return workspaceHolds(ctx, u, name) })
}

func workspaceHolds(ctx context.Context, u image.Use, workspace string) bool {
	store, err := state.OpenWorkspace(u.Stack, workspace)
	if err != nil {
		return true
	}
	if !store.Used() {
		return false
	}
	lock, err := store.Lock(ctx, state.LockInfo{Command: "diyform image"}, 0, func(state.LockInfo) {})
	if err != nil {
		return true
	}
	// Closing the file would do as well: there is nothing to be lost.
	defer lock.Unlock()
	st, recovery, err := store.Load()
	if err != nil || recovery != nil {
		return true
	}
	a, err := addr.Parse(u.Address)
	return st.Lineage == u.Lineage && err == nil && (st.Resources[a] != nil || st.Deposed[a] != nil || isMoved(st, a))
}

// isMoved reports whether the resource of an address has another one by now.
func isMoved(st *state.State, a addr.Instance) bool {
	for _, r := range st.Resources {
		if r.Marked() == a {
			return true
		}
	}
	return false
}
