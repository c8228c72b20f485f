package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// cursor reads JSON strictly and knows at which byte it is. encoding/json takes keys in any
// case and twice, and does not say where an unknown one stands.
type cursor struct {
	data []byte
	pos  int
	raws bytes.Buffer // holds the raw values, compacted: one allocation a document
}

func newCursor(data []byte) *cursor {
	c := &cursor{data: data}
	c.raws.Grow(len(data)) // compact JSON is never longer, so the buffer never moves
	return c
}

// problem is what is wrong at a byte of the input.
type problem struct {
	offset int
	text   string
}

func (p *problem) Error() string { return p.text }

func problemAt(offset int, format string, args ...any) error {
	return &problem{offset: offset, text: fmt.Sprintf(format, args...)}
}

// object reads an object of a shape. read is called with the cursor at the member's value.
func (c *cursor) object(s *shape, read func(key string) error) error {
	start := c.start()
	var seen uint64
	err := c.list('{', '}', s.name, func() error {
		at := c.start()
		key, err := c.key()
		if err != nil {
			return err
		}
		i := s.find(key)
		switch {
		case i < 0:
			return problemAt(at, "unknown key %q in %s; it has %s", key, s.name, s.keys())
		case seen&(1<<i) != 0:
			return problemAt(at, "key %q stands twice in %s", key, s.name)
		}
		seen |= 1 << i
		return read(s.members[i].key)
	})
	if err != nil {
		return err
	}
	if key, ok := s.missing(seen); ok {
		return problemAt(start, "%s lacks the key %q", s.name, key)
	}
	return nil
}

// entries reads an object whose keys are data.
func (c *cursor) entries(name string, read func(at int, key string) error) error {
	return c.list('{', '}', name, func() error {
		at := c.start()
		key, err := c.key()
		if err != nil {
			return err
		}
		return read(at, string(key))
	})
}

var errFound = errors.New("found")

// seek goes to the value of a key, before it is known which other keys there may be.
func (c *cursor) seek(name, key string) error {
	start := c.start()
	err := c.entries(name, func(_ int, k string) error {
		if k == key {
			return errFound
		}
		return c.skip()
	})
	switch {
	case errors.Is(err, errFound):
		return nil
	case err == nil:
		return problemAt(start, "%s lacks the key %q", name, key)
	}
	return err
}

// array reads an array; read is called with the cursor at each element.
func (c *cursor) array(name string, read func() error) error {
	return c.list('[', ']', name, read)
}

// list reads what stands between two brackets, parted by commas.
func (c *cursor) list(open, shut byte, name string, read func() error) error {
	if c.peek() != open {
		kind := "an object"
		if open == '[' {
			kind = "an array"
		}
		return c.unexpected(fmt.Sprintf("%s (%s)", name, kind))
	}
	c.pos++
	if c.peek() == shut {
		c.pos++
		return nil
	}
	for {
		if err := read(); err != nil {
			return err
		}
		switch c.peek() {
		case ',':
			c.pos++
		case shut:
			c.pos++
			return nil
		default:
			return c.unexpected(fmt.Sprintf("\",\" or %q in %s", string(shut), name))
		}
	}
}

// key reads a member's name and the colon.
func (c *cursor) key() ([]byte, error) {
	key, err := c.text("a key")
	if err != nil {
		return nil, err
	}
	if c.peek() != ':' {
		return nil, c.unexpected(`":" after the key`)
	}
	c.pos++
	return key, nil
}

func (c *cursor) string() (string, error) {
	b, err := c.text("a string")
	return string(b), err
}

// text reads a string. What it gives may lie in the input.
func (c *cursor) text(want string) ([]byte, error) {
	if c.peek() != '"' {
		return nil, c.unexpected(want)
	}
	start := c.pos
	escaped, err := c.skipString()
	if err != nil {
		return nil, err
	}
	if !escaped {
		return c.data[start+1 : c.pos-1], nil
	}
	var s string
	if err := json.Unmarshal(c.data[start:c.pos], &s); err != nil {
		return nil, problemAt(start, "bad string: %s", err)
	}
	return []byte(s), nil
}

// skipString goes behind a string and says whether it holds escapes.
func (c *cursor) skipString() (escaped bool, err error) {
	start := c.pos
	for c.pos++; c.pos < len(c.data); c.pos++ {
		switch b := c.data[c.pos]; {
		case b == '"':
			c.pos++
			return escaped, nil
		case b == '\\':
			escaped = true
			c.pos++
		case b < ' ':
			return false, problemAt(c.pos, "control character %q inside a string", b)
		}
	}
	c.pos = len(c.data)
	return false, problemAt(start, "the string has no end: the file is cut off")
}

func (c *cursor) strings(name string) ([]string, error) {
	var list []string
	err := c.array(name, func() error {
		s, err := c.string()
		list = append(list, s)
		return err
	})
	return list, err
}

func (c *cursor) bool() (bool, error) {
	at := c.start()
	switch string(c.scalar()) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	c.pos = at
	return false, c.unexpected("true or false")
}

// number reads a whole number of at most so many bits, not negative.
func (c *cursor) number(bits int) (uint64, error) {
	at := c.start()
	token := c.scalar()
	n, err := strconv.ParseUint(string(token), 10, bits)
	if err == nil && (token[0] != '0' || len(token) == 1) {
		return n, nil
	}
	c.pos = at
	return 0, c.unexpected("a whole number")
}

func (c *cursor) int() (int, error) {
	n, err := c.number(31)
	return int(n), err
}

// scalar takes all up to the next delimiter.
func (c *cursor) scalar() []byte {
	start := c.start()
	for c.pos < len(c.data) && !bytes.ContainsRune([]byte(",:]}[{\" \t\r\n"), rune(c.data[c.pos])) {
		c.pos++
	}
	return c.data[start:c.pos]
}

// raw reads any value, checks it and compacts it.
func (c *cursor) raw() (json.RawMessage, error) {
	start := c.start()
	if err := c.skip(); err != nil {
		return nil, err
	}
	from := c.raws.Len()
	if json.Compact(&c.raws, c.data[start:c.pos]) != nil {
		return nil, c.syntaxProblem(start)
	}
	return c.raws.Bytes()[from:c.raws.Len():c.raws.Len()], nil
}

// syntaxProblem reads the value once more: only Unmarshal says where the mistake is, by the
// number of bytes up to and with it.
func (c *cursor) syntaxProblem(start int) error {
	var value json.RawMessage
	err := json.Unmarshal(c.data[start:c.pos], &value)
	syntax := (*json.SyntaxError)(nil)
	if errors.As(err, &syntax) {
		start += int(syntax.Offset) - 1
	}
	return problemAt(start, "%v", err)
}

// rawObject is raw for a value that must be an object.
func (c *cursor) rawObject() (json.RawMessage, error) {
	if c.peek() != '{' {
		return nil, c.unexpected("an object")
	}
	return c.raw()
}

// skip goes behind a value by its brackets; what stands between them is not checked.
func (c *cursor) skip() error {
	start := c.start()
	if start == len(c.data) {
		return c.unexpected("a value")
	}
	for depth := 0; ; {
		switch c.peek() {
		case '{', '[':
			depth++
			c.pos++
		case '}', ']':
			depth--
			c.pos++
		case '"':
			if _, err := c.skipString(); err != nil {
				return err
			}
		case 0:
			return c.unexpected("the end of the value that began earlier")
		case ',', ':':
			c.pos++
		default:
			if len(c.scalar()) == 0 {
				return c.unexpected("a value")
			}
		}
		if depth <= 0 {
			return nil
		}
	}
}

// end checks that only white space is left.
func (c *cursor) end() error {
	if c.start() < len(c.data) {
		return problemAt(c.pos, "unexpected data after the end: %s", c.describe())
	}
	return nil
}

// start skips white space and gives the offset of what follows.
func (c *cursor) start() int {
	for c.pos < len(c.data) {
		switch c.data[c.pos] {
		case ' ', '\t', '\r', '\n':
			c.pos++
		default:
			return c.pos
		}
	}
	return c.pos
}

// peek gives the first byte of what follows, 0 at the end.
func (c *cursor) peek() byte {
	if c.start() == len(c.data) {
		return 0
	}
	return c.data[c.pos]
}

func (c *cursor) unexpected(want string) error {
	return problemAt(c.start(), "expected %s, found %s", want, c.describe())
}

// describe names what stands at the cursor.
func (c *cursor) describe() string {
	switch b := c.peek(); {
	case c.pos == len(c.data):
		return "the end of the file"
	case b == '{':
		return "an object"
	case b == '[':
		return "an array"
	case b == '"':
		return "a string"
	case b == '-' || b >= '0' && b <= '9':
		return "a number"
	}
	rest := c.data[c.pos:]
	for _, word := range []string{"null", "true", "false"} {
		if bytes.HasPrefix(rest, []byte(word)) {
			return word
		}
	}
	return strconv.Quote(string(rest[:1]))
}
