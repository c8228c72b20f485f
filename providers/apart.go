package providers

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
)

// Aparter is a type of which there may be two objects of one resource at a time, as
// create_before_destroy asks for, although their places do not tell them apart. Apart tells
// why the kernel cannot have the old and the new one together, or why diyform could not tell
// which is which: nil where it can.
//
// A type without the ability may have two where both hold places and share none. Who has it
// says so beyond that: places must be different still, where there are any.
type Aparter[T any] interface {
	Apart(old, planned *T) error
}

// ErrOneOnly is that there can be but one object of a resource at a time.
var ErrOneOnly = errors.New("it is known by the address of its resource, of which there is one")

func (d *definition[T, I, S, K]) Apart(old, planned cty.Value) error {
	if r, ok := d.r.(Aparter[T]); ok {
		before, _ := d.decode(old)
		after, _ := d.decode(planned)
		return r.Apart(&before, &after)
	}
	if _, ok := d.r.(Placer[T]); !ok || len(d.Places(old).Holds) == 0 {
		return ErrOneOnly
	}
	return nil
}
