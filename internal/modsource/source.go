package modsource

import (
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/diyform/diyform/internal/diag"
)

// Kind is where a module comes from.
type Kind int

// The kinds of sources.
const (
	Local   Kind = iota + 1 // a folder, used where it is
	Git                     // a git repository
	Archive                 // a file over HTTP(S)
)

// Source is what the source argument of a module block says.
type Source struct {
	Kind Kind

	// Path is a Local source's folder: absolute, or from the calling module's folder, and then
	// it begins with "./" or "../".
	Path string

	// URL is that of the package, without what follows "//" and the arguments below.
	URL string
	// Subdir is the module's folder in the package; "" is the package itself. It may be a
	// pattern that one folder matches.
	Subdir string

	Ref   string // Git: branch, tag or commit; "" is the repository's default branch
	Depth int    // Git: how many commits of the history; 0 is "no matter"

	Format   string   // Archive: "zip", "tar.gz" and so on
	Checksum Checksum // Archive
}

// Remote says that the source has to be downloaded.
func (s Source) Remote() bool { return s.Kind != Local }

// String is the source in its full form, without a password.
func (s Source) String() string {
	return s.form(redacted(s.URL))
}

// canonical is String with the password in it.
func (s Source) canonical() string { return s.form(s.URL) }

// pkg is what is downloaded for the source: the same for all folders of it.
func (s Source) pkg() string {
	s.Subdir = ""
	return s.canonical()
}

func (s Source) form(address string) string {
	if s.Kind == Local {
		return s.Path
	}
	address, query, _ := strings.Cut(address, "?")
	plain := address
	if s.Subdir != "" {
		address += "//" + s.Subdir
	}
	var arguments []string
	if query != "" {
		arguments = append(arguments, query)
	}
	add := func(name, value string) {
		if value != "" {
			arguments = append(arguments, name+"="+url.QueryEscape(value))
		}
	}
	if s.Kind == Git {
		address = "git::" + address
		add("ref", s.Ref)
		if s.Depth > 0 {
			add("depth", strconv.Itoa(s.Depth))
		}
	} else {
		if formatOf(pathOf(plain)) != s.Format {
			add("archive", s.Format)
		}
		add("checksum", s.Checksum.String())
	}
	if len(arguments) > 0 {
		address += "?" + strings.Join(arguments, "&")
	}
	return address
}

func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Path
}

// redacted is an address without its password.
func redacted(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}

// Parse reads a source. Its errors are a *diag.Problem that says what to write instead.
func Parse(source string) (Source, error) {
	if err := checkText(source); err != nil {
		return Source{}, err
	}
	if local, ok := parseLocal(source); ok {
		return local, nil
	}
	pkg, subdir := splitSubdir(source)
	if subdir != "" {
		subdir = path.Clean(subdir)
		if subdir == ".." || strings.HasPrefix(subdir, "../") || strings.HasPrefix(subdir, "/") {
			return Source{}, invalid("the folder %q behind \"//\" is not within what is downloaded. Write a path that stays in it.", subdir)
		}
		if subdir == "." {
			subdir = ""
		}
	}
	s, err := parsePackage(source, pkg)
	if err != nil {
		return Source{}, err
	}
	s.Subdir = path.Join(s.Subdir, subdir)
	return s, nil
}

func parsePackage(source, pkg string) (Source, error) {
	if force, rest, ok := cutForce(pkg); ok {
		if force == "git" {
			return parseGit(rest)
		}
		return Source{}, unknownForce(force, rest)
	}
	if s, ok, err := parseShorthand(pkg); ok {
		return s, err
	}
	if scpLike.MatchString(pkg) && strings.HasPrefix(pkg, "git@") {
		return parseGit(pkg)
	}
	switch protocol := scheme.FindString(pkg); protocol {
	case "":
		return Source{}, noScheme(source)
	case "https://", "http://":
		return parseArchive(pkg)
	case "git://":
		return parseGit(pkg)
	default:
		return Source{}, unknownScheme(strings.TrimSuffix(protocol, "://"), source)
	}
}

// checkText refuses what no source has, and what could mean something else to git, ssh and
// terminals than it does here.
func checkText(source string) error {
	if strings.TrimSpace(source) == "" {
		return invalid("it is empty. Write a folder, as \"./modules/lab\", a git repository, as \"git::https://example.com/lab.git\", or an archive, as \"https://example.com/lab.tar.gz\".")
	}
	if strings.TrimSpace(source) != source {
		return invalid("%q begins or ends with a space. Leave it out.", source)
	}
	for _, r := range source {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return invalid("%q has a character in it that cannot be printed. Leave it out.", source)
		}
	}
	return nil
}

// parseLocal reads a folder. As in OpenTofu, a backslash in it is a slash.
func parseLocal(source string) (Source, bool) {
	p := strings.ReplaceAll(source, `\`, "/")
	switch {
	case strings.HasPrefix(p, "/"):
		return Source{Kind: Local, Path: path.Clean(p)}, true
	case p == ".", p == "..", strings.HasPrefix(p, "./"), strings.HasPrefix(p, "../"):
		p = path.Clean(p)
		if p != ".." && !strings.HasPrefix(p, "../") {
			p = "./" + p
		}
		return Source{Kind: Local, Path: p}, true
	}
	return Source{}, false
}

var scheme = regexp.MustCompile(`^(?:[A-Za-z0-9]+::)?[A-Za-z][A-Za-z0-9+.-]*://`)

// splitSubdir parts a source at the "//" that follows the package. What follows "?" belongs to
// the package.
func splitSubdir(source string) (pkg, subdir string) {
	address, query, asked := strings.Cut(source, "?")
	from := len(scheme.FindString(address))
	if from < len(address) && address[from] == '/' { // file:///folder
		from++
	}
	if i := strings.Index(address[from:], "//"); i >= 0 {
		address, subdir = address[:from+i], address[from+i+2:]
	}
	if asked && query != "" {
		address += "?" + query
	}
	return address, subdir
}

var forced = regexp.MustCompile(`^([A-Za-z0-9]+)::(.*)$`)

// cutForce parts "git::https://..." into its two parts.
func cutForce(pkg string) (force, rest string, ok bool) {
	if m := forced.FindStringSubmatch(pkg); m != nil {
		return m[1], m[2], true
	}
	return "", "", false
}

// arguments takes those of a source out of the URL: what is after "?".
type arguments struct{ url.Values }

// take removes an argument and gives its value.
func (a arguments) take(name string) (string, bool, error) {
	values, ok := a.Values[name]
	if !ok {
		return "", false, nil
	}
	a.Del(name)
	switch {
	case len(values) > 1:
		return "", true, invalid("the argument %q is there twice. Write it once.", name)
	case values[0] == "":
		return "", true, invalid("the argument %q is empty. Give it a value or leave it out.", name)
	}
	return values[0], true, nil
}

// parseURL reads an address and its arguments, which it takes out.
func parseURL(address string) (*url.URL, arguments, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, arguments{}, invalid("it is no URL: %s.", reason(err))
	}
	if u.Fragment != "" || strings.HasSuffix(address, "#") {
		return nil, arguments{}, invalid("it has a \"#\", which has no meaning here. A branch, tag or commit of a git repository is told by \"?ref=NAME\".")
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, arguments{}, invalid("what follows \"?\" cannot be read: %s.", reason(err))
	}
	u.RawQuery, u.ForceQuery = "", false
	return u, arguments{values}, nil
}

// reason is an error of net/url without the address in it, which may have a password.
func reason(err error) string {
	if u, ok := err.(*url.Error); ok {
		return u.Err.Error()
	}
	return err.Error()
}

// unknownArgument is the error for an argument that is left over.
func unknownArgument(a arguments, known ...string) error {
	for _, name := range slices.Sorted(maps.Keys(a.Values)) {
		return invalid("it has no argument %q.%s What is known is %s.", name, diag.Suggest(name, known), strings.Join(known, ", "))
	}
	return nil
}
