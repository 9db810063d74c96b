package main

import (
	"os"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
)

// keychain finds the login for a registry in a file, and then where docker login and podman login put it.
func keychain(path string) (authn.Keychain, error) {
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return authn.DefaultKeychain, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	logins, err := config.LoadFromReader(file)
	if err != nil {
		return nil, err
	}
	return authn.NewMultiKeychain(fileKeychain{logins}, authn.DefaultKeychain), nil
}

// fileKeychain finds logins in one file.
type fileKeychain struct{ file *configfile.ConfigFile }

func (k fileKeychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	login, err := k.file.GetAuthConfig(target.RegistryStr())
	if err != nil {
		return nil, err
	}
	if login == (types.AuthConfig{ServerAddress: login.ServerAddress}) {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(authn.AuthConfig{
		Username: login.Username, Password: login.Password, Auth: login.Auth,
		IdentityToken: login.IdentityToken, RegistryToken: login.RegistryToken,
	}), nil
}
