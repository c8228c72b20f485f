package modsource

import (
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// scpLike is the address of a repository as scp and git write it: user@host:path.
var scpLike = regexp.MustCompile(`^([^@/:?]+)@([^:/?]+):/*([^:?][^?]*)(\?.*)?$`)

// host and userName are such that ssh does not take one for an option (CVE-2017-1000117).
var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
	ipv6Name = regexp.MustCompile(`^[0-9A-Fa-f:.]+$`)
	userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+=%@~-]*$`)
)

// parseGit reads what follows "git::".
func parseGit(address string) (Source, error) {
	switch {
	case strings.HasPrefix(address, "/"):
		address = "file://" + address
	case !strings.Contains(address, "://"):
		m := scpLike.FindStringSubmatch(address)
		if m == nil {
			return Source{}, gitAddress(address)
		}
		address = "ssh://" + m[1] + "@" + m[2] + "/" + m[3] + m[4]
	}
	u, a, err := parseURL(address)
	if err != nil {
		return Source{}, err
	}
	s := Source{Kind: Git}
	if err := s.gitArguments(a); err != nil {
		return Source{}, err
	}
	if err := checkGitURL(u, s.Ref); err != nil {
		return Source{}, err
	}
	s.URL = u.String()
	return s, nil
}

func gitAddress(address string) error {
	if s, ok, err := parseShorthand(address); ok && err == nil {
		return invalid("it is no address of a git repository. Write %q.", s.String())
	}
	if strings.HasPrefix(address, ".") {
		return invalid("a git repository on this machine is named by its whole path: \"git::file:///srv/git/lab.git\".")
	}
	return invalid("it is no address of a git repository. Write \"git::https://HOST/PATH\", \"git::ssh://git@HOST/PATH\" or \"git::file:///PATH\".")
}

func (s *Source) gitArguments(a arguments) error {
	var err error
	if s.Ref, _, err = a.take("ref"); err != nil {
		return err
	}
	if err := checkRef(s.Ref); err != nil {
		return err
	}
	depth, given, err := a.take("depth")
	if err != nil {
		return err
	}
	if given {
		s.Depth, err = strconv.Atoi(depth)
		if err != nil || s.Depth < 1 {
			return invalid("the depth of a git repository's history is a number from 1, not %q.", depth)
		}
	}
	if a.Has("sshkey") {
		return invalid("keys do not belong into configuration, which others read too, so \"sshkey\" is not taken. Have ssh find the key: by an agent, in ~/.ssh/config, or by GIT_SSH_COMMAND=\"ssh -i FILE\".")
	}
	return unknownArgument(a, "ref", "depth")
}

// A commit's name is the checksum of all that it contains.
var (
	commit     = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	commitLike = regexp.MustCompile(`^[0-9A-Fa-f]{7,64}$`)
)

// checkRef accepts names of branches, tags and commits, by git's own rules for them
// (git-check-ref-format(1)).
func checkRef(ref string) error {
	bad := strings.ContainsAny(ref, " ~^:?*[\\") || strings.Contains(ref, "..") || strings.Contains(ref, "@{") ||
		strings.Contains(ref, "//") || strings.HasPrefix(ref, "/") || strings.HasSuffix(ref, "/") ||
		strings.HasSuffix(ref, ".") || strings.HasSuffix(ref, ".lock") || strings.HasPrefix(ref, "+") ||
		ref == "@" || strings.ContainsFunc(ref, func(r rune) bool { return r < ' ' || r == 0x7f })
	for part := range strings.SplitSeq(ref, "/") {
		bad = bad || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if bad || strings.HasPrefix(ref, "-") {
		return invalid("%q cannot be the name of a branch, a tag or a commit. Look them up with \"git ls-remote\".", ref)
	}
	return nil
}

func checkGitURL(u *url.URL, ref string) error {
	switch u.Scheme {
	case "file":
		if u.Host != "" || u.Opaque != "" || !path.IsAbs(u.Path) {
			return invalid("a git repository on this machine is named by its whole path, with three slashes: \"git::file:///srv/git/lab.git\".")
		}
		return nil
	case "https", "ssh":
	case "http", "git":
		if !commit.MatchString(ref) {
			return invalid("what comes over %s:// can be changed on its way by anybody. Write https:// or ssh://, or name the whole commit, which is a checksum of what it contains: \"?ref=\" and its 40 digits.", u.Scheme)
		}
	default:
		return invalid("git repositories are read over https://, ssh:// and file://, not over %q.", u.Scheme+"://")
	}
	if !validHost(u) {
		return invalid("%q is no name of a host.", u.Host)
	}
	if u.User != nil && !userName.MatchString(u.User.Username()) {
		return invalid("%q is no name of a user.", u.User.Username())
	}
	if u.Opaque != "" || strings.Trim(u.Path, "/") == "" {
		return invalid("it names a host, but no repository of it. Write \"git::%s://%s/PATH\".", u.Scheme, u.Host)
	}
	return nil
}

func validHost(u *url.URL) bool {
	return hostName.MatchString(u.Hostname()) || strings.HasPrefix(u.Host, "[") && ipv6Name.MatchString(u.Hostname())
}

// parseShorthand reads github.com/owner/repository and its like. Nobody is asked what is there:
// all of them have git repositories only.
func parseShorthand(pkg string) (Source, bool, error) {
	address, query, asked := strings.Cut(pkg, "?")
	parts := strings.Split(address, "/")
	host := parts[0]
	switch host {
	case "github.com", "gitlab.com", "bitbucket.org":
	default:
		return Source{}, false, nil
	}
	if len(parts) < 3 || parts[1] == "" || parts[2] == "" {
		return Source{}, true, invalid("it names no repository. Write \"%s/OWNER/REPOSITORY\".", host)
	}
	subdir := path.Clean(path.Join(parts[3:]...))
	if host == "gitlab.com" && len(parts) > 3 {
		return Source{}, true, invalid("where the repository ends and its folder begins cannot be seen. Write \"gitlab.com/OWNER/REPOSITORY//FOLDER\", or \"git::https://%s.git\" for a repository in a subgroup.", address)
	}
	repository := host + "/" + parts[1] + "/" + strings.TrimSuffix(parts[2], ".git") + ".git"
	if asked {
		repository += "?" + query
	}
	s, err := parseGit("https://" + repository)
	if subdir != "." {
		if strings.HasPrefix(subdir, "..") {
			return Source{}, true, invalid("the folder %q is not within the repository.", subdir)
		}
		s.Subdir = subdir
	}
	return s, true, err
}
