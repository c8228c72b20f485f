package apply

import "github.com/diyform/diyform/providers"

// count adds a finished operation to the result. What is imported may be changed as well.
func (r *run) count(op *operation) {
	c := op.change
	if c.Importing != nil && op.Action != providers.Delete {
		r.result.Imported++
	}
	switch {
	case c.Adopts():
		if c.Importing == nil {
			r.result.Moved++
		}
	case op.Action == providers.Create:
		r.result.Added++
	case op.Action == providers.Update:
		r.result.Changed++
	case op.Action == providers.Delete:
		r.result.Destroyed++
	case op.Action == providers.Release:
		r.result.Forgotten++
	}
}
