package container

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
)

// maxHostname is the kernel's limit (__NEW_UTS_LEN); one part has at most 63 bytes anyway.
const maxHostname = 64

// hostnamePart is what may stand between the dots: RFC 1123, 2.1.
var hostnamePart = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// notInPart is what a name has that a host name may not have in one part.
var notInPart = regexp.MustCompile(`[^A-Za-z0-9]+`)

// ownHostname is the host name of a container whose configuration gives none.
func ownHostname(a addr.Instance) string {
	name := strings.Trim(notInPart.ReplaceAllString(providers.ObjectName(a), "-"), "-")
	if name == "" {
		return "container"
	}
	return providers.ShortName(name, 63)
}

func validateHostname(attribute, name string) error {
	if len(name) > maxHostname {
		return &diag.Problem{Summary: "The host name is too long", Attribute: attribute,
			Detail: fmt.Sprintf("%q has %d bytes; the kernel allows %d.", name, len(name), maxHostname)}
	}
	for part := range strings.SplitSeq(name, ".") {
		if !hostnamePart.MatchString(part) {
			return &diag.Problem{Summary: "Not a host name", Attribute: attribute,
				Detail: fmt.Sprintf("%q cannot be a host name: its parts, between dots, are of letters, digits and hyphens, "+
					"with no hyphen at either end, and have 1 to 63 bytes.", name)}
		}
	}
	return nil
}
