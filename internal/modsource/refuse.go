package modsource

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/diyform/diyform/internal/diag"
)

// invalid is the error for a source that cannot be read.
func invalid(format string, values ...any) error {
	text := fmt.Sprintf(format, values...)
	return &diag.Problem{Summary: "Invalid module source", Detail: strings.ToUpper(text[:1]) + text[1:]}
}

// unsupported is the error for a source that others take.
func unsupported(format string, values ...any) error {
	return &diag.Problem{Summary: "Unsupported module source", Detail: fmt.Sprintf(format, values...)}
}

const whatThereIs = "Modules come from folders (\"./modules/lab\"), git repositories (\"git::https://example.com/lab.git\") and archives over HTTPS (\"https://example.com/lab.tar.gz\")."

// unknownForce is for "s3::" and the like.
func unknownForce(force, rest string) error {
	switch strings.ToLower(force) {
	case "s3", "gcs":
		return unsupported("Buckets are not read by their own protocol. Name the archive by its HTTPS address, which may be a signed one, with \"?archive=zip\" if its name does not say what it is. %s", whatThereIs)
	case "hg":
		return unsupported("Mercurial repositories are not read. %s", whatThereIs)
	case "oci":
		return unsupported("Modules are not fetched from registries of images. %s", whatThereIs)
	case "http", "https", "file", "local":
		return invalid("leave out \"%s::\" and write %q.", force, plainPath(rest))
	}
	return invalid("there is no way to get a module that is called \"%s::\".%s %s", force, diag.Suggest(force, []string{"git"}), whatThereIs)
}

func plainPath(address string) string { return strings.TrimPrefix(address, "file://") }

// unknownScheme is for "ssh://" and the like without "git::" before it.
func unknownScheme(scheme, source string) error {
	switch scheme {
	case "ssh", "git+ssh", "ssh+git":
		_, rest, _ := strings.Cut(source, "://")
		return invalid("for a git repository, write %q.", "git::"+redacted("ssh://"+rest))
	case "file":
		return invalid("for a folder, write %q; for a git repository, %q.", plainPath(source), "git::"+source)
	case "oci", "s3", "gcs", "hg":
		return unknownForce(scheme, "")
	}
	return invalid("modules are not read over %q.%s %s", scheme+"://", diag.Suggest(scheme, []string{"https", "http", "git"}), whatThereIs)
}

// registryPart is a part of a registry's address: of a host, a namespace, a name.
var registryPart = regexp.MustCompile(`^[0-9A-Za-z](?:[0-9A-Za-z._-]*[0-9A-Za-z])?$`)

// noScheme is for addresses of registries and for folders without "./".
func noScheme(source string) error {
	address, _, _ := strings.Cut(source, "?")
	pkg, subdir := splitSubdir(address)
	parts := strings.Split(pkg, "/")
	for _, p := range parts {
		if !registryPart.MatchString(p) {
			parts = nil
			break
		}
	}
	switch {
	case strings.HasPrefix(source, "~"):
		return invalid("\"~\" is not replaced here. Write the folder's whole path, or one from this module's folder that begins with \"./\" or \"../\".")
	case len(parts) > 1 && cloudBucket(parts[0]):
		return unknownForce("s3", "")
	case len(parts) == 3 && !strings.Contains(parts[0], "."):
		repository := fmt.Sprintf("github.com/%s/terraform-%s-%s", parts[0], parts[2], parts[1])
		if subdir != "" {
			repository += "//" + subdir
		}
		return unsupported("%q is an address of a module registry, and those are not read. Name the repository that it stands for, with the version as its tag; it is mostly called %q. For a folder, write %q.",
			source, repository+"?ref=v1.0.0", "./"+address)
	case len(parts) == 4 && strings.Contains(parts[0], "."):
		return unsupported("%q is an address of a module registry, and those are not read. Name the repository that it stands for, with the version as its tag: \"git::https://HOST/PATH.git?ref=v1.0.0\".", source)
	case len(parts) > 0 && strings.Contains(parts[0], ".") && len(parts) > 1:
		return invalid("an address over the network begins with how it is read: %q for a git repository, %q for an archive. For a folder, write %q.", "git::https://"+source, "https://"+source, "./"+source)
	}
	return invalid("for a folder, write %q: a path begins with \"./\" or \"../\", so that it cannot be taken for anything else.", "./"+source)
}

func cloudBucket(host string) bool {
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".googleapis.com")
}
