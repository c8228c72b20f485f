package container

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
)

// The values of seccomp that are no path.
const (
	defaultProfile = "default"
	unconfined     = "unconfined"
)

// seccompText gives the profile as launch takes it.
func seccompText(env providers.Env, seccomp string) (string, error) {
	switch seccomp {
	case "", defaultProfile:
		return "", nil
	case unconfined:
		return unconfined, nil
	}
	path := absolute(env, seccomp)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", &diag.Problem{
			Summary: "The seccomp profile cannot be read", Attribute: "seccomp", Err: err,
			Detail: fmt.Sprintf("%s: %s Give the path of a profile, default, or unconfined.", path, diag.Sentence(reason(err))),
		}
	}
	return string(text), nil
}

// profileDigest is the digest of the file that seccomp names: null where it names none, or
// one that cannot be read, which Check tells.
func profileDigest(env providers.Env, seccomp cty.Value) cty.Value {
	if !seccomp.IsKnown() {
		return cty.UnknownVal(cty.String)
	}
	if seccomp.IsNull() || seccomp.AsString() == defaultProfile || seccomp.AsString() == unconfined {
		return cty.NullVal(cty.String)
	}
	text, err := os.ReadFile(absolute(env, seccomp.AsString()))
	if err != nil {
		return cty.NullVal(cty.String)
	}
	sum := sha256.Sum256(text)
	return cty.StringVal(hex.EncodeToString(sum[:]))
}
