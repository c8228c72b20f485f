package config

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/ssh"
)

// bcrypt(str, cost...): a password's hash, another one at each call.
var bcryptFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "str", Type: cty.String}},
	VarParam:     &function.Parameter{Name: "cost", Type: cty.Number},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		cost := bcrypt.DefaultCost
		switch {
		case len(args) > 2:
			return cty.NilVal, fmt.Errorf("bcrypt takes one or two arguments, got %d", len(args))
		case len(args) == 2:
			n, exact := args[1].AsBigFloat().Int64()
			if exact != 0 || n > int64(bcrypt.MaxCost) {
				return cty.NilVal, function.NewArgErrorf(1, "must be a whole number, at most %d", bcrypt.MaxCost)
			}
			cost = int(n)
		}
		hash, err := bcrypt.GenerateFromPassword([]byte(args[0].AsString()), cost)
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		return cty.StringVal(string(hash)), nil
	},
})

// rsadecrypt(ciphertext, privatekey): the text of a base64 PKCS #1 v1.5 ciphertext, by an RSA
// key in PEM or OpenSSH form.
var rsaDecryptFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "ciphertext", Type: cty.String},
		{Name: "privatekey", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		sealed, err := base64.StdEncoding.DecodeString(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "decode base64: %w", err)
		}
		key, err := rsaKey(args[1].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		//lint:ignore SA1019 the function is that of OpenTofu, whose users have such ciphertexts
		text, err := rsa.DecryptPKCS1v15(nil, key, sealed)
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "decrypt: %w", err)
		}
		return cty.StringVal(string(text)), nil
	},
})

func rsaKey(text string) (*rsa.PrivateKey, error) {
	raw, err := ssh.ParseRawPrivateKey([]byte(text))
	var passphrase *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &passphrase):
		return nil, errors.New("the private key is locked by a passphrase")
	case err != nil:
		return nil, errors.New("not a private key in PEM or OpenSSH form") // the reason could show some of it
	}
	key, ok := raw.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the private key is of another kind than RSA")
	}
	return key, nil
}

// uuidv5(namespace, name): always the same UUID for the same name: RFC 9562, section 5.5.
var uuidV5Func = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "namespace", Type: cty.String},
		{Name: "name", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		namespace, err := uuidNamespace(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "must be a UUID, or dns, url, oid or x500: %w", err)
		}
		return cty.StringVal(uuid.NewSHA1(namespace, []byte(args[1].AsString())).String()), nil
	},
})

func uuidNamespace(name string) (uuid.UUID, error) {
	switch name {
	case "dns":
		return uuid.NameSpaceDNS, nil
	case "url":
		return uuid.NameSpaceURL, nil
	case "oid":
		return uuid.NameSpaceOID, nil
	case "x500":
		return uuid.NameSpaceX500, nil
	}
	return uuid.Parse(name)
}
