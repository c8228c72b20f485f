package nft

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

func TestMain(m *testing.M) { os.Exit(playtest.Main(m)) }

var (
	table = Table{Family: INet, Name: "test"}
	chain = Chain{Name: "postrouting", Type: "nat", Hook: unix.NF_INET_POST_ROUTING, Priority: 100}
	rule  = Rule{Chain: "postrouting", Comment: "why", Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Register: 1, Data: []byte{unix.NFPROTO_IPV4}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: []byte{255, 128, 0, 0}, Xor: make([]byte, 4)},
		&expr.Cmp{Register: 1, Data: []byte{10, 0, 0, 0}},
		&expr.Masq{},
	}}
)

func connect(t *testing.T) *Conn {
	playtest.Require(t)
	host, err := netns.Host()
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	fd, err := host.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		_ = exec.Command("nft", "flush", "ruleset").Run() // of the playhost
	})
	return c
}

func list(t *testing.T, c *Conn) Ruleset {
	t.Helper()
	r, err := c.List(context.Background(), table)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func commit(t *testing.T, c *Conn, reqs ...*Request) {
	t.Helper()
	if err := c.Commit(context.Background(), list(t, c).Generation, reqs...); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsListedIsWhatWasCommitted(t *testing.T) {
	c := connect(t)
	if got := list(t, c); got.Exists {
		t.Errorf("the table is there: %+v", got)
	}
	commit(t, c, table.AddTable(), table.AddChain(chain), table.AddRule(rule))
	got := list(t, c)
	want := Ruleset{Generation: got.Generation, Exists: true, Use: 1, Chains: []Chain{chain}, Rules: []Rule{rule}}
	want.Rules[0].Handle = got.Rules[0].Handle
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Rule{})); diff != "" {
		t.Error(diff)
	}

	changed := got.Rules[0]
	changed.Comment = "why not"
	commit(t, c, table.ReplaceRule(changed))
	got = list(t, c)
	if len(got.Rules) != 1 || got.Rules[0].Comment != "why not" {
		t.Errorf("after the replacement: %+v", got.Rules)
	}
	commit(t, c, table.DeleteRule("postrouting", got.Rules[0].Handle), table.DeleteChain("postrouting"), table.DeleteTable())
	if got := list(t, c); got.Exists {
		t.Errorf("the table is left: %+v", got)
	}
}

func TestOtherExpressionsAreOpaque(t *testing.T) {
	c := connect(t)
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(`table inet test {
		chain postrouting { type nat hook postrouting priority srcnat; counter masquerade; }
		set addresses { type ipv4_addr; }
	}
	table inet other {
		chain postrouting { masquerade; }
	}
	`)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := list(t, c)
	if len(got.Chains) != 1 || got.Use != 2 {
		t.Errorf("chains %+v, use %d", got.Chains, got.Use)
	}
	if len(got.Rules) != 1 || !got.Rules[0].Opaque || len(got.Rules[0].Exprs) != 1 {
		t.Errorf("rules %+v", got.Rules)
	}
}

func TestCommitOnAnOldGeneration(t *testing.T) {
	c := connect(t)
	old := list(t, c).Generation
	commit(t, c, table.AddTable())
	err := c.Commit(context.Background(), old, table.DeleteTable())
	if !errors.Is(err, ErrChanged) || !list(t, c).Exists {
		t.Errorf("got %v", err)
	}
}

func TestRefusalNamesTheRequestAndChangesNothing(t *testing.T) {
	c := connect(t)
	good, bad := table.AddTable(), table.DeleteRule("nowhere", 99)
	err := c.Commit(context.Background(), list(t, c).Generation, good, table.AddChain(chain), bad)
	var refused *Error
	if !errors.As(err, &refused) || !errors.Is(err, unix.ENOENT) || refused.Object != "inet test nowhere handle 99" {
		t.Errorf("got %v", err)
	}
	if good.Err() != nil || bad.Err() == nil || list(t, c).Exists {
		t.Errorf("good %v, bad %v", good.Err(), bad.Err())
	}
	if err := c.Commit(context.Background(), 0); err != nil {
		t.Errorf("nothing to do: %v", err)
	}
}

func TestDeleteTakesNothingAlong(t *testing.T) {
	c := connect(t)
	commit(t, c, table.AddTable(), table.AddChain(chain), table.AddRule(rule))
	for _, r := range []*Request{table.DeleteTable(), table.DeleteChain("postrouting")} {
		if err := c.Commit(context.Background(), list(t, c).Generation, r); !errors.Is(err, unix.EBUSY) {
			t.Errorf("%s: %v", r.op, err)
		}
	}
}

func TestDecodeComment(t *testing.T) {
	for name, test := range map[string]struct {
		data string
		want string
	}{
		"as nft writes it": {"\x00\x04hey\x00", "hey"},
		"after another":    {"\x01\x02ab\x00\x02x\x00", "x"},
		"without zero":     {"\x00\x03hey", "hey"},
		"none":             {"", ""},
		"cut short":        {"\x00\x09hey", ""},
	} {
		if got := decodeComment([]byte(test.data)); got != test.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(table.AddRule(rule).attrs)
	f.Add(table.AddChain(chain).attrs)
	f.Add([]byte{4, 0, 4, 128})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := decodeRule(INet, b)
		if _, _, chainErr := decodeChain(b); chainErr != nil || err != nil {
			return
		}
		again, encodeErr := attributes(func(ae *netlink.AttributeEncoder) { r.encode(ae, INet) })
		if encodeErr != nil || r.Opaque || len(r.Comment) > 253 {
			return
		}
		if _, _, err := decodeRule(INet, again); err != nil {
			t.Errorf("%+v is written in a way that does not read: %v", r, err)
		}
	})
}
