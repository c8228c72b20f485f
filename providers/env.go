package providers

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"

	"github.com/diyform/diyform/internal/addr"
)

// Env is what a session may know of the run it is part of.
type Env struct {
	Lineage    string // uuid of the state
	Workspace  string // that the state is of
	BootID     string // of the running kernel
	RuntimeDir string // of this stack: gone at reboot; made by whoever writes there first, 0700
	DataDir    string // images and writable layers
	Dir        string // the working folder: relative paths in configuration start here
}

// Mark is the owner mark of the object at a: `diyform:<lineage, 8 hex>:<address>`, cut to a
// hash of the address where it would not fit into an interface's alias (IFALIASZ, 256).
func (e Env) Mark(a addr.Instance) string {
	s := a.String()
	if len(s) > 200 {
		sum := sha256.Sum256([]byte(s))
		s = s[:160] + "~" + hex.EncodeToString(sum[:16])
	}
	return e.MarkPrefix() + s
}

// MarkPrefix is what the marks of all objects of this state begin with.
func (e Env) MarkPrefix() string {
	return "diyform:" + strings.ReplaceAll(e.Lineage, "-", "")[:8] + ":"
}

// DefaultWorkspace is the workspace whose objects are named without it; so is "".
const DefaultWorkspace = "default"

// ObjectName is the name that an object at a gets in this workspace when configuration gives
// none. With the workspace in front, those of one configuration can be there side by side.
func (e Env) ObjectName(a addr.Instance) string {
	name := ObjectName(a)
	if e.Workspace == "" || e.Workspace == DefaultWorkspace {
		return name
	}
	return e.Workspace + "-" + name
}

// MAC gives the Ethernet address that marks a link as ours from the moment of its creation:
// derived from lineage, address and which end of the link it is, locally administered,
// unicast, the same at every re-creation.
func MAC(lineage string, a addr.Instance, end string) [6]byte {
	sum := sha256.Sum256([]byte("diyform mac\x00" + lineage + "\x00" + a.String() + "\x00" + end))
	var mac [6]byte
	copy(mac[:], sum[:])
	mac[0] = mac[0]&^0x01 | 0x02 // individual, locally administered: IEEE 802, clause 8.2
	return mac
}

// ShortName gives name if it has at most limit bytes, else its beginning and a hash that is
// always the same for it.
func ShortName(name string, limit int) string {
	if len(name) <= limit {
		return name
	}
	const hashed = 6
	sum := sha256.Sum256([]byte(name))
	hash := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:hashed]
	return strings.TrimRight(name[:limit-hashed-1], "-.") + "-" + hash
}
