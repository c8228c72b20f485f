package container

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/seccomp"
	"github.com/diyform/diyform/providers"
)

// The values of seccomp that are no path.
const (
	defaultProfile = "default"
	unconfined     = "unconfined"
)

// seccompText gives the profile as launch takes it.
func seccompText(env providers.Env, name string) (string, error) {
	switch name {
	case "", defaultProfile:
		return "", nil
	case unconfined:
		return unconfined, nil
	}
	path := absolute(env, name)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", &diag.Problem{
			Summary: "The seccomp profile cannot be read", Attribute: "seccomp", Err: err,
			Detail: fmt.Sprintf("%s: %s Give the path of a profile, default, or unconfined.", path, diag.Sentence(reason(err))),
		}
	}
	if _, err := seccomp.Read(text); err != nil {
		return "", &diag.Problem{
			Summary: "Not a seccomp profile", Attribute: "seccomp", Err: err,
			Detail: fmt.Sprintf("%s: %s Profiles are JSON, in the form of container engines.", path, diag.Sentence(err.Error())),
		}
	}
	return string(text), nil
}

// profileDigest is the digest of the file that seccomp names: null where it names none, or
// one that cannot be read, which Check tells.
func profileDigest(env providers.Env, name cty.Value) cty.Value {
	if !name.IsKnown() {
		return cty.UnknownVal(cty.String)
	}
	if name.IsNull() || name.AsString() == defaultProfile || name.AsString() == unconfined {
		return cty.NullVal(cty.String)
	}
	text, err := os.ReadFile(absolute(env, name.AsString()))
	if err != nil {
		return cty.NullVal(cty.String)
	}
	sum := sha256.Sum256(text)
	return cty.StringVal(hex.EncodeToString(sum[:]))
}
