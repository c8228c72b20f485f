package plan

import "github.com/diyform/diyform/internal/addr"

// changesOfBlock are the changes of a block in all instances of its module.
type changesOfBlock struct {
	list    []*Change
	keyed   uint64 // the steps of the module's address, as bits, that have a key in some of them
	meantBy map[addr.Module][]*Change
}

func (b *stepBuilder) indexStatic(c *Change) {
	if c.Address.Module.IsRoot() {
		return
	}
	block := c.Address.Resource.Static()
	all := b.static[block]
	if all == nil {
		all = &changesOfBlock{meantBy: map[addr.Module][]*Change{}}
		b.static[block] = all
	}
	all.list = append(all.list, c)
	all.keyed |= ^c.Address.Module.Open()
}

// changesOf lists the changes of a block, or of all that is in a module.
func (b *stepBuilder) changesOf(d Dependency) []*Change {
	if !d.isModule() {
		return b.changesOfBlock(d)
	}
	list, ok := b.modules[d.Block.Module]
	if !ok {
		for _, c := range b.Changes {
			if d.Block.Module.Contains(c.Address.Module) {
				list = append(list, c)
			}
		}
		b.modules[d.Block.Module] = list
	}
	return list
}

// changesOfBlock lists the changes of a block, where a module without a key means all its instances.
func (b *stepBuilder) changesOfBlock(d Dependency) []*Change {
	all := b.static[d.Block.Static()]
	if all == nil || all.keyed&d.Block.Module.Open() == 0 {
		return b.blocks[d.Block]
	}
	list, ok := all.meantBy[d.Block.Module]
	if !ok {
		for _, c := range all.list {
			if d.Block.Module.Matches(c.Address.Module) {
				list = append(list, c)
			}
		}
		all.meantBy[d.Block.Module] = list
	}
	return list
}
