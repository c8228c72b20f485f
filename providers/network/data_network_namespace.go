package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/providers"
)

type networkNamespaceData struct {
	Name  string `diy:"name,required" format:"namespace" doc:"Name of the network namespace, as ip netns lists it."`
	Path  string `diy:"path,computed" doc:"File that stands for it."`
	Inode int    `diy:"inode,computed" doc:"Number that tells it from every other one: that of the link /proc/PID/ns/net of the processes in it."`
}

type networkNamespaceSource struct{}

func defineNetworkNamespaceData() providers.DataDef[*session] {
	return providers.DefineData("network_namespace",
		"A network namespace that exists, whoever made it. That there is none of that name is an error.", networkNamespaceSource{})
}

func (networkNamespaceSource) Read(_ context.Context, _ *session, v *networkNamespaceData) error {
	pin, err := netns.Lookup(v.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &diag.Problem{
			Summary:   "There is no such network namespace",
			Detail:    fmt.Sprintf("Nothing in %s has the name %q: `ip netns` lists those that there are.", netns.Dir, v.Name),
			Attribute: "name", Err: err,
		}
	case err != nil:
		return err
	case !pin.Mounted:
		return &diag.Problem{
			Summary:   "There is no such network namespace",
			Detail:    fmt.Sprintf("%s has a file of the name %q, but no network namespace is mounted on it.", netns.Dir, v.Name),
			Attribute: "name",
		}
	}
	if v.Path, err = netns.Path(v.Name); err != nil {
		return err
	}
	v.Inode = int(pin.ID.Ino)
	return nil
}
