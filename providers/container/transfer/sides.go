package transfer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/diyform/diyform/providers/container/image/unpack"
)

// source is what one side tells the other, in a line, before the archive.
type source struct {
	Name     string `json:"name"` // of the file or folder; "" for the root
	Folder   bool   `json:"folder"`
	Contents bool   `json:"contents"` // what is in the folder is meant, as by "folder/."
	Stream   bool   `json:"stream"`   // it is somebody's archive
}

// maxLine is more than the longest such line: a name has 255 bytes.
const maxLine = 4 << 10

// sendStream sends somebody's archive. A read that waits for more of it cannot be called back:
// when ctx ends, it stays behind until this process ends.
func sendStream(ctx context.Context, to io.Writer, stream io.Reader) error {
	if err := json.NewEncoder(to).Encode(source{Stream: true}); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(to, stream)
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// send writes what is at a path below root.
func send(ctx context.Context, to io.Writer, root *os.File, r request) error {
	o := unpack.WriteOptions{Follow: r.Follow, Xattrs: r.Archive}
	if base := path.Base(r.Path); r.Named && base != "/" && base != ".." {
		o.Name = base
	}
	err := unpack.Write(ctx, to, root, r.Path, o, func(f unpack.Found) error {
		s := source{Name: path.Base(path.Clean("/" + r.Path)), Folder: f.Folder}
		if strings.HasSuffix(r.Path, "/.") || s.Name == "/" {
			s.Contents = true
		}
		return json.NewEncoder(to).Encode(s)
	})
	return unknown(err, r.Path)
}

// unknown says in words that something is not there.
func unknown(err error, name string) error {
	switch {
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("there is no %s", name)
	case errors.Is(err, syscall.ELOOP):
		return fmt.Errorf("%s: too many symbolic links", name)
	}
	return err
}

// open reads what the other side tells.
func open(from io.Reader) (source, *bufio.Reader, error) {
	r := bufio.NewReaderSize(from, maxLine)
	line, err := r.ReadSlice('\n')
	if err != nil {
		return source{}, nil, fmt.Errorf("copy: nothing came: %w", err)
	}
	var s source
	if err := json.Unmarshal(line, &s); err != nil {
		return source{}, nil, fmt.Errorf("copy: %w", err)
	}
	if s.Name == ".." || s.Name == "." || strings.Contains(strings.TrimPrefix(s.Name, "/"), "/") {
		return source{}, nil, fmt.Errorf("copy: the other side calls its file %q", s.Name)
	}
	return s, r, nil
}

func receiveStream(to io.Writer, from io.Reader) error {
	_, archive, err := open(from)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, archive)
	return err
}

// receive puts what comes at a path below root. With narrow, nothing in the archive can mean
// a place outside of the folder that it is put into.
func receive(ctx context.Context, from io.Reader, root *os.File, name string, o unpack.Options, narrow bool) (Stats, error) {
	s, archive, err := open(from)
	if err != nil {
		return Stats{}, err
	}
	found, err := unpack.Locate(root, name)
	if errors.Is(err, syscall.ENOENT) {
		return Stats{}, fmt.Errorf("there is no folder for %s", name)
	}
	if err != nil {
		return Stats{}, fmt.Errorf("find %s: %w", name, err)
	}
	at, err := s.target(found, name)
	if err != nil {
		return Stats{}, err
	}
	if !narrow {
		return unpack.ExtractAt(ctx, archive, root, at, o)
	}
	dir, base := path.Split(at)
	if found.Folder && at == found.Path { // what is in a folder goes into a folder
		dir, base = at, ""
	}
	folder, err := openPlace("/" + dir)
	if err != nil {
		return Stats{}, err
	}
	defer folder.Close()
	return unpack.ExtractAt(ctx, archive, folder, base, o)
}

// target gives the path of what comes, as cp has it.
func (s source) target(to unpack.Found, name string) (string, error) {
	switch {
	case s.Stream && !to.Folder:
		return "", fmt.Errorf("%s is no folder: what is in an archive needs one", name)
	case s.Stream, to.Folder && s.Contents:
		return to.Path, nil
	case to.Folder:
		return path.Join(to.Path, s.Name), nil
	case to.Exists && (s.Folder || strings.HasSuffix(name, "/")):
		return "", fmt.Errorf("%s is no folder", name)
	case !to.Exists && !s.Folder && strings.HasSuffix(name, "/"):
		return "", fmt.Errorf("there is no folder %s", name)
	}
	return to.Path, nil
}
