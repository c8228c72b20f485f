package modsource

import (
	"encoding/hex"
	"strings"

	"github.com/diyform/diyform/internal/diag"
)

// formats are the archives that can be unpacked, by what their names end in.
var formats = []struct{ suffix, format string }{
	{".zip", "zip"},
	{".tar.gz", "tar.gz"}, {".tgz", "tar.gz"},
	{".tar.xz", "tar.xz"}, {".txz", "tar.xz"},
	{".tar.zst", "tar.zst"}, {".tzst", "tar.zst"},
	{".tar.bz2", "tar.bz2"}, {".tbz2", "tar.bz2"}, {".tbz", "tar.bz2"},
	{".tar", "tar"},
}

const formatNames = "zip, tar, tar.gz, tar.xz, tar.zst and tar.bz2"

// formatOf gives the format of an archive by its file name, or "".
func formatOf(name string) string {
	name = strings.ToLower(name)
	for _, f := range formats {
		if strings.HasSuffix(name, f.suffix) {
			return f.format
		}
	}
	return ""
}

func parseArchive(address string) (Source, error) {
	u, a, err := parseURL(address)
	if err != nil {
		return Source{}, err
	}
	if !validHost(u) || u.Opaque != "" {
		return Source{}, invalid("%q is no name of a host.", u.Host)
	}
	s := Source{Kind: Archive, Format: formatOf(u.Path)}
	if err := s.archiveArguments(a); err != nil {
		return Source{}, err
	}
	if s.Format == "" {
		return Source{}, noArchive(u.Scheme+"://"+u.Host+u.Path, u.Host, u.Path)
	}
	if u.Scheme == "http" && s.Checksum.Algorithm == "" {
		return Source{}, invalid("what comes over http:// can be changed on its way by anybody. Write https://, or say what it has to be: \"?checksum=sha256:\" and the digits that sha256sum prints.")
	}
	u.RawQuery = a.Encode() // what is left is for the server
	s.URL = u.String()
	return s, nil
}

func (s *Source) archiveArguments(a arguments) error {
	format, given, err := a.take("archive")
	if err != nil {
		return err
	}
	if given {
		s.Format = formatOf("." + format)
		if s.Format == "" {
			return invalid("archives are %s, not %q.%s", formatNames, format, diag.Suggest(format, knownFormats()))
		}
	}
	text, given, err := a.take("checksum")
	if err != nil || !given {
		return err
	}
	s.Checksum, err = parseChecksum(text)
	return err
}

func knownFormats() []string {
	var known []string
	for _, f := range formats {
		known = append(known, f.suffix[1:])
	}
	return known
}

// noArchive says what else an address could mean.
func noArchive(address, host, path string) error {
	path = strings.Trim(path, "/")
	switch host {
	case "github.com", "gitlab.com", "bitbucket.org":
		if strings.Count(path, "/") == 1 {
			return invalid("it names no archive. For a git repository, write %q.", host+"/"+strings.TrimSuffix(path, ".git"))
		}
	}
	if strings.HasSuffix(path, ".git") {
		return invalid("it names no archive. For a git repository, write %q.", "git::"+address)
	}
	return invalid("whether it is an archive cannot be seen from its name. Archives are %s: add \"?archive=tar.gz\" and the like for a name that says nothing, or put \"git::\" in front of a git repository.", formatNames)
}

// Checksum is what an archive has to be. The zero value is none.
type Checksum struct {
	Algorithm string // "sha256" or "sha512"
	Hex       string
}

func (c Checksum) String() string {
	if c.Algorithm == "" {
		return ""
	}
	return c.Algorithm + ":" + c.Hex
}

// digits is how many hexadecimal ones a checksum has.
var digits = map[string]int{"sha256": 64, "sha512": 128, "md5": 32, "sha1": 40}

func parseChecksum(text string) (Checksum, error) {
	algorithm, sum, told := strings.Cut(text, ":")
	if !told {
		sum = text
		for name, n := range digits {
			if len(text) == n {
				algorithm = name
			}
		}
	}
	algorithm, sum = strings.ToLower(algorithm), strings.ToLower(sum)
	switch algorithm {
	case "sha256", "sha512":
	case "md5", "sha1":
		return Checksum{}, invalid("%s proves nothing: two archives with the same checksum can be made. Write \"checksum=sha256:\" and the digits that sha256sum prints.", algorithm)
	case "file":
		return Checksum{}, invalid("a checksum that comes from the same place as the archive proves nothing. Write it here: \"checksum=sha256:\" and the digits that sha256sum prints.")
	default:
		return Checksum{}, invalid("the checksum is \"sha256:\" or \"sha512:\" and hexadecimal digits, not %q.", text)
	}
	if _, err := hex.DecodeString(sum); err != nil || len(sum) != digits[algorithm] {
		return Checksum{}, invalid("a checksum by %s has %d hexadecimal digits, and %q has not.", algorithm, digits[algorithm], sum)
	}
	return Checksum{algorithm, sum}, nil
}
