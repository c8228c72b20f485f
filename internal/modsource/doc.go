// Package modsource brings the folders that module blocks name to this machine: from git
// repositories, by the git program, and from archives over HTTPS. What it has downloaded is kept
// in .diyform/modules of the root module's folder. It reads no configuration: which modules there
// are, and what is in them, is package config's.
//
// Start reading at Parse in source.go, for what a source can be, and at Install in install.go,
// for how one gets here.
package modsource
