package modsource

import (
	"errors"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/diag"
)

const (
	sha256Of  = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	aCommit   = "0123456789abcdef0123456789abcdef01234567"
	sha512Of  = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
	aTarball  = "https://example.com/lab.tar.gz"
	aChecksum = "?checksum=sha256:" + sha256Of
)

// What is accepted, and its full form.
var parsed = []struct{ source, want string }{
	{"./lab", "./lab"},
	{"./nope/../lab/", "./lab"},
	{"./", "./."},
	{".", "./."},
	{"..", ".."},
	{"../", ".."},
	{"../lab", "../lab"},
	{"./a/../../lab", "../lab"},
	{`.\lab`, "./lab"},
	{"./a//b", "./a/b"},
	{"/srv/modules//lab", "/srv/modules/lab"},

	{"git::https://example.com/lab.git", "git::https://example.com/lab.git"},
	{"git::https://example.com/lab.git//net/a?ref=v1.2.0&depth=1", "git::https://example.com/lab.git//net/a?ref=v1.2.0&depth=1"},
	{"git::https://example.com/lab?depth=3&ref=feature/x", "git::https://example.com/lab?ref=feature%2Fx&depth=3"},
	{"git::https://user:word@example.com:8443/lab.git", "git::https://user:xxxxx@example.com:8443/lab.git"},
	{"git::https://[::1]:8443/lab.git", "git::https://[::1]:8443/lab.git"},
	{"git::ssh://git@example.com/lab.git//.", "git::ssh://git@example.com/lab.git"},
	{"git::git@example.com:code/lab.git//net", "git::ssh://git@example.com/code/lab.git//net"},
	{"git::alice@example.com:/code/lab.git", "git::ssh://alice@example.com/code/lab.git"},
	{"git@example.com:code/lab.git//net?ref=v1", "git::ssh://git@example.com/code/lab.git//net?ref=v1"},
	{"git::file:///srv/lab.git//net", "git::file:///srv/lab.git//net"},
	{"git::/srv/lab.git", "git::file:///srv/lab.git"},
	{"git::http://example.com/lab.git?ref=" + aCommit, "git::http://example.com/lab.git?ref=" + aCommit},
	{"git://example.com/lab.git?ref=" + aCommit, "git::git://example.com/lab.git?ref=" + aCommit},

	{"github.com/owner/lab", "git::https://github.com/owner/lab.git"},
	{"github.com/owner/lab.git//net?ref=v1", "git::https://github.com/owner/lab.git//net?ref=v1"},
	{"github.com/owner/lab/net/a", "git::https://github.com/owner/lab.git//net/a"},
	{"github.com/owner/lab/net//a", "git::https://github.com/owner/lab.git//net/a"},
	{"github.com/owner/lab//net?", "git::https://github.com/owner/lab.git//net"},
	{"gitlab.com/owner/lab//net", "git::https://gitlab.com/owner/lab.git//net"},
	{"bitbucket.org/owner/lab", "git::https://bitbucket.org/owner/lab.git"},

	{aTarball, aTarball},
	{"https://example.com/LAB.ZIP//net/../a", "https://example.com/LAB.ZIP//a"},
	{"https://example.com/lab.tgz//*?x=1", "https://example.com/lab.tgz//*?x=1"},
	{"https://example.com/lab?archive=txz&token=a%20b", "https://example.com/lab?token=a+b&archive=tar.xz"},
	{"https://example.zip/?archive=zip", "https://example.zip/?archive=zip"},
	{"https://example.com/lab.zip?archive=tar", "https://example.com/lab.zip?archive=tar"},
	{"https://u:p@example.com/lab.tar.zst", "https://u:xxxxx@example.com/lab.tar.zst"},
	{"http://127.0.0.1:8000/lab.tar.bz2" + aChecksum, "http://127.0.0.1:8000/lab.tar.bz2?checksum=sha256%3A" + sha256Of},
	{aTarball + "?checksum=SHA512:" + strings.ToUpper(sha512Of), aTarball + "?checksum=sha512%3A" + sha512Of},
	{aTarball + "?checksum=" + sha256Of, aTarball + "?checksum=sha256%3A" + sha256Of},
}

func TestParse(t *testing.T) {
	for _, c := range parsed {
		s, err := Parse(c.source)
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
			continue
		}
		if got := s.String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.source, got, c.want)
		}
		if again, err := Parse(s.canonical()); err != nil || again != s {
			t.Errorf("%s: its full form %s is read as %+v, %v", c.source, s.canonical(), again, err)
		}
	}
}

// What is refused, and a part of what is said.
var refused = []struct{ source, want string }{
	{"", "It is empty"},
	{" ", "It is empty"},
	{" ./lab", "begins or ends with a space"},
	{"./lab\n", "space"},
	{"./l\x00ab", "cannot be printed"},
	{"./l\x1bab", "cannot be printed"},

	{"lab", `write "./lab"`},
	{"modules/lab", `write "./modules/lab"`},
	{"modules/lab//net", `write "./modules/lab//net"`},
	{"~/lab", "not replaced"},
	{"example.com/lab.git", `"git::https://example.com/lab.git"`},

	{"hashicorp/consul/aws", `"github.com/hashicorp/terraform-aws-consul?ref=v1.0.0"`},
	{"hashicorp/consul/aws//modules/a", `"github.com/hashicorp/terraform-aws-consul//modules/a?ref=v1.0.0"`},
	{"hashicorp/consul/aws", `write "./hashicorp/consul/aws"`},
	{"registry.example.com/team/net/lab", "module registry"},
	{"s3::https://s3.amazonaws.com/b/lab.zip", "Buckets"},
	{"s3-eu-west-1.amazonaws.com/b/lab.zip", "Buckets"},
	{"gcs::https://www.googleapis.com/storage/v1/b/lab", "Buckets"},
	{"www.googleapis.com/storage/v1/b/lab", "Buckets"},
	{"hg::https://example.com/lab", "Mercurial"},
	{"oci://example.com/lab", "registries of images"},
	{"http::https://example.com/lab.zip", `write "https://example.com/lab.zip"`},
	{"file::/srv/lab", `write "/srv/lab"`},
	{"gti::https://example.com/lab.git", `Did you mean "git"?`},
	{"ssh://git@example.com/lab.git", `write "git::ssh://git@example.com/lab.git"`},
	{"file:///srv/lab", `for a folder, write "/srv/lab"`},
	{"ftp://example.com/lab.zip", `not read over "ftp://"`},
	{"htps://example.com/lab.zip", `Did you mean "https"?`},

	{"git::https://example.com/lab.git//../up", "not within"},
	{"git::https://example.com/lab.git//a/../../up", "not within"},
	{"github.com/owner/lab/../..", "not within"},
	{"git::./lab", "whole path"},
	{"git::lab", "no address of a git repository"},
	{"git::github.com/owner/lab", `Write "git::https://github.com/owner/lab.git"`},
	{"git::file://lab.git", "three slashes"},
	{"git::ext::sh -c id", "no address of a git repository"},
	{"git::ftp://example.com/lab.git", `not over "ftp://"`},
	{"git::https://example.com", "no repository"},
	{"git::https://example.com/", "no repository"},
	{"git::https:///lab.git", "no name of a host"},
	{"git::ssh://-oProxyCommand=id/lab.git", "no name of a host"},
	{"git::ssh://-oProxyCommand=id@example.com/lab.git", "no name of a user"},
	{"git::ssh://%2doProxyCommand=id@example.com/lab.git", "no name of a user"},
	{"git@-oProxyCommand=id:lab.git", "no name of a host"},
	{"git::https://exa mple.com/lab.git", "no URL: "},
	{"git::https://example.com:x/lab.git", "no URL: "},
	{"git::https://example.com/lab.git#v1", "?ref=NAME"},
	{"git::https://example.com/lab.git?tag=v1", `no argument "tag"`},
	{"git::https://example.com/lab.git?rev=v1", `Did you mean "ref"?`},
	{"git::https://example.com/lab.git?ref=", "is empty"},
	{"git::https://example.com/lab.git?ref=a&ref=b", "twice"},
	{"git::https://example.com/lab.git?ref=%zz", "cannot be read"},
	{"git::https://example.com/lab.git?ref=--upload-pack=id", "cannot be the name"},
	{"git::https://example.com/lab.git?ref=+refs/heads/a:refs/heads/b", "cannot be the name"},
	{"git::https://example.com/lab.git?ref=%2Bmain", "cannot be the name"},
	{"git::https://example.com/lab.git?ref=a..b", "cannot be the name"},
	{"git::https://example.com/lab.git?ref=HEAD~1", "cannot be the name"},
	{"git::https://example.com/lab.git?ref=a%00", "cannot be the name"},
	{"git::https://example.com/lab.git?depth=0", "number from 1"},
	{"git::https://example.com/lab.git?depth=all", "number from 1"},
	{"git::ssh://git@example.com/lab.git?sshkey=QUJD", "keys do not belong"},
	{"git::http://example.com/lab.git", "changed on its way"},
	{"git://example.com/lab.git?ref=v1", "changed on its way"},
	{"github.com/owner", "names no repository"},
	{"github.com//owner", "names no repository"},
	{"gitlab.com/group/team/lab", `"git::https://gitlab.com/group/team/lab.git"`},

	{"https://example.com/lab", "cannot be seen from its name"},
	{"https://example.com/lab.git", `write "git::https://example.com/lab.git"`},
	{"https://github.com/owner/lab", `write "github.com/owner/lab"`},
	{"https:///lab.zip", "no name of a host"},
	{"https://example.com/lab?archive=rar", "archives are zip"},
	{"https://example.com/lab?archive=tar.zs", `Did you mean "tar.zst"?`},
	{"https://example.com/lab?archive=false", `not "false"`},
	{"http://example.com/lab.zip", "changed on its way"},
	{aTarball + "?checksum=md5:d41d8cd98f00b204e9800998ecf8427e", "md5 proves nothing"},
	{aTarball + "?checksum=d41d8cd98f00b204e9800998ecf8427e", "md5 proves nothing"},
	{aTarball + "?checksum=sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", "sha1 proves nothing"},
	{aTarball + "?checksum=file:https://example.com/SHA256SUMS", "the same place"},
	{aTarball + "?checksum=sha256:abc", "64 hexadecimal digits"},
	{aTarball + "?checksum=sha256:" + strings.Repeat("x", 64), "64 hexadecimal digits"},
	{aTarball + "?checksum=nonsense", `"sha256:" or "sha512:"`},
	{aTarball + "?checksum=", "is empty"},
}

func TestParseRefuses(t *testing.T) {
	for _, c := range refused {
		s, err := Parse(c.source)
		var p *diag.Problem
		if !errors.As(err, &p) {
			t.Errorf("%q: got %+v, %v, want a problem", c.source, s, err)
			continue
		}
		if !strings.Contains(strings.ToLower(p.Detail), strings.ToLower(c.want)) {
			t.Errorf("%q: got %q, want %q in it", c.source, p.Detail, c.want)
		}
		if d := p.Detail; d != strings.TrimSpace(d) || d[len(d)-1] != '.' && d[len(d)-1] != '?' {
			t.Errorf("%q: no sentence: %q", c.source, d)
		}
	}
}

func TestErrorsShowNoPassword(t *testing.T) {
	for _, source := range []string{
		"git::https://user:secret@example.com:x/lab.git", "git::https://user:secret@example.com/?ref=a",
		"https://user:secret@example.com/lab", "https://user:secret@example.com/lab.git", "http://user:secret@example.com/lab.zip",
		"ssh://git:secret@example.com/lab.git",
	} {
		if _, err := Parse(source); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", source, err)
		}
	}
}
