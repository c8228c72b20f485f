package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

// Parse reads an object of the implied type from the JSON that ctyjson.Marshal writes. What
// the JSON leaves out is null. It does in a fraction of the time what ctyjson.Unmarshal does,
// which reads token by token; every command reads everything on record.
func (s *Schema) Parse(data []byte) (cty.Value, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return cty.NilVal, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return cty.NilVal, errors.New("something stands after the object")
	}
	return fromJSON(v, s.ctyType, "")
}

func fromJSON(v any, t cty.Type, path string) (cty.Value, error) {
	switch v := v.(type) {
	case nil:
		return cty.NullVal(t), nil
	case string:
		if t == cty.String {
			return cty.StringVal(v), nil
		}
	case bool:
		if t == cty.Bool {
			return cty.BoolVal(v), nil
		}
	case json.Number:
		if t == cty.Number {
			return number(string(v))
		}
	case []any:
		switch {
		case t.IsListType():
			return listFromJSON(v, t.ElementType(), path)
		case t.IsSetType():
			return setFromJSON(v, t.ElementType(), path)
		case t.IsTupleType():
			return tupleFromJSON(v, t.TupleElementTypes(), path)
		}
	case map[string]any:
		switch {
		case t == cty.DynamicPseudoType:
			return anyFromJSON(v, path)
		case t.IsObjectType():
			return objectFromJSON(v, t, path)
		case t.IsMapType():
			return mapFromJSON(v, t.ElementType(), path)
		}
	}
	return cty.NilVal, fmt.Errorf("%q is not %s", path, t.FriendlyName())
}

func number(s string) (cty.Value, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return cty.NumberIntVal(n), nil
	}
	return cty.ParseNumberVal(s)
}

func listFromJSON(list []any, t cty.Type, path string) (cty.Value, error) {
	if len(list) == 0 {
		return cty.ListValEmpty(t), nil
	}
	elems := make([]cty.Value, len(list))
	for i, e := range list {
		v, err := fromJSON(e, t, join(path, strconv.Itoa(i)))
		if err != nil {
			return cty.NilVal, err
		}
		elems[i] = v
	}
	return cty.ListVal(elems), nil
}

func mapFromJSON(m map[string]any, t cty.Type, path string) (cty.Value, error) {
	if len(m) == 0 {
		return cty.MapValEmpty(t), nil
	}
	elems := make(map[string]cty.Value, len(m))
	for k, e := range m {
		v, err := fromJSON(e, t, join(path, k))
		if err != nil {
			return cty.NilVal, err
		}
		elems[k] = v
	}
	return cty.MapVal(elems), nil
}

func objectFromJSON(m map[string]any, t cty.Type, path string) (cty.Value, error) {
	types := t.AttributeTypes()
	attrs := make(map[string]cty.Value, len(types))
	for name, t := range types {
		v, err := fromJSON(m[name], t, join(path, name))
		if err != nil {
			return cty.NilVal, err
		}
		attrs[name] = v
	}
	for name := range m {
		if _, ok := types[name]; !ok {
			return cty.NilVal, fmt.Errorf("unknown attribute %q", join(path, name))
		}
	}
	return cty.ObjectVal(attrs), nil
}
