package state

import "fmt"

// migration turns a document of one format into one of the next.
type migration func(document []byte) ([]byte, error)

// migrations has, for each format but the newest, the step to the next. Format 1 is the first.
var migrations = map[int]migration{}

// NewerFormatError says that a newer diyform wrote the file.
type NewerFormatError struct {
	File          string
	Format, Known int
}

func (e *NewerFormatError) Error() string {
	return fmt.Sprintf("%s has format %d, and this diyform knows formats up to %d: use the version that wrote it, or a newer one", e.File, e.Format, e.Known)
}

// migrate brings a document to the newest format.
func migrate(file string, data []byte, newest int, steps map[int]migration) ([]byte, error) {
	if err := checkText(data); err != nil {
		return nil, damaged(file, data, documentAdvice, err)
	}
	format, err := findFormat(data)
	if err != nil {
		return nil, damaged(file, data, documentAdvice, err)
	}
	if format > newest {
		return nil, &NewerFormatError{File: file, Format: format, Known: newest}
	}
	for ; format < newest; format++ {
		step, ok := steps[format]
		if !ok {
			return nil, damaged(file, data, documentAdvice, problemAt(0, "format %d never was", format))
		}
		if data, err = step(data); err != nil {
			return nil, fmt.Errorf("migrate %s from format %d: %w", file, format, err)
		}
	}
	return data, nil
}

// findFormat looks for the format and at nothing else: the other keys depend on it.
func findFormat(data []byte) (int, error) {
	c := &cursor{data: data}
	if err := c.seek("the state", "format"); err != nil {
		return 0, err
	}
	return c.int()
}
