package config

import (
	"os"

	"github.com/hashicorp/hcl/v2"
)

// LoadOrEmpty is Load, except that a folder without configuration files declares nothing.
func (l Loader) LoadOrEmpty(dir string) (*Config, hcl.Diagnostics) {
	paths, _ := configFiles(dir, nil)
	if _, err := os.ReadDir(dir); err == nil && len(paths) == 0 {
		c := newConfig(dir)
		c.Files = map[string]*hcl.File{}
		return c, nil
	}
	return l.Load(dir)
}
