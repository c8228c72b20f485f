package process

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

func TestOwnUsage(t *testing.T) {
	for name, read := range map[string]func(int) (int64, error){"memory": Memory, "threads": Threads} {
		if n, err := read(os.Getpid()); n <= 0 || err != nil {
			t.Errorf("%s is %d (%v)", name, n, err)
		}
	}
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; {
		after, err := CPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if after > before {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no processor time is used by a busy loop")
		}
	}
	ns, err := Namespace(os.Getpid(), "pid")
	if err != nil {
		t.Fatal(err)
	}
	members, err := ByPIDNamespace()
	if err != nil || !slices.Contains(members[ns], os.Getpid()) {
		t.Errorf("this process is not in %v (%v)", members[ns], err)
	}
}

func TestAddressesOfANamespace(t *testing.T) {
	const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.0.0/24 2 0 2
        |-- 10.0.0.0
           /24 link UNICAST
        |-- 10.0.0.2
           /32 host LOCAL
        |-- 10.0.0.255
           /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
Local:
        |-- 10.0.0.2
           /32 host LOCAL
        |-- 9.0.0.1
           /32 host LOCAL
`
	if got := fmt.Sprint(addresses4(trie)); got != "[9.0.0.1 10.0.0.2]" {
		t.Errorf("IPv4: %s", got)
	}
	const table = `00000000000000000000000000000001 01 80 10 80       lo
fd00000000000000000000000000000a 02 40 00 80    veth1
fe8000000000000058bb0ffffe9b4a2c 02 40 20 80    veth1
`
	if got := fmt.Sprint(addresses6(table)); got != "[fd00::a]" {
		t.Errorf("IPv6: %s", got)
	}
	if _, err := Addresses(os.Getpid()); err != nil {
		t.Error(err)
	}
}
