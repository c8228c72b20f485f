package addr

// Endpoint is what a moved, removed or import block names: a module or a resource, whole or
// one instance. It is relative to the module that the block stands in.
type Endpoint struct {
	Modules  []ModuleStep // the way down
	Resource Resource     // without module; the zero Resource where the last of Modules is meant
	Key      Key
}

// IsModule reports whether a module is meant.
func (e Endpoint) IsModule() bool { return e.Resource.Type == "" }

// LastKey gives the key of what is meant.
func (e Endpoint) LastKey() Key {
	if e.IsModule() {
		return e.Modules[len(e.Modules)-1].Key
	}
	return e.Key
}

// Instance gives the resource instance that is meant, of the root module.
func (e Endpoint) Instance() Instance {
	return ModuleOf(e.Modules).Resource(e.Resource).Instance(e.Key)
}

func (e Endpoint) String() string {
	if e.IsModule() {
		return string(ModuleOf(e.Modules))
	}
	return e.Instance().String()
}
