package bootid_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/diyform/diyform/internal/linux/bootid"
)

func TestRead(t *testing.T) {
	id, err := bootid.Read()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uuid.Parse(id); err != nil {
		t.Errorf("%q: %v", id, err)
	}
	if again, err := bootid.Read(); err != nil || again != id {
		t.Errorf("got %q, then %q, %v", id, again, err)
	}
}
