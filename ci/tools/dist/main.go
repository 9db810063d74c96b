// Command dist makes what users install of extsvc: the archives, which are also plugins of Helm, the manifest
// for krew, and the signatures. The same files make the same bytes.
//
//	dist archive -version VERSION -license FILE -licenses FILE -completions FOLDER FOLDER PLATFORM=BINARY
//	dist krew -version VERSION -repository URL FOLDER
//	dist sign -version VERSION -key NAME -keyring FILE [-passphrase-file FILE] FOLDER
//
// archive writes extsvc-VERSION-OS-ARCHITECTURE.tar.gz, or .zip for windows, to FOLDER and prints its name. krew
// and sign take the archives from extsvc-VERSION-checksums.txt in FOLDER. krew writes extsvc.yaml: URL is that of
// the repository whose releases have the archives. sign signs the checksums (.asc, for gpg) and each tar.gz (.prov,
// for helm plugin install).
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

var errUsage = errors.New("usage: dist archive -version VERSION -license FILE -licenses FILE -completions FOLDER FOLDER PLATFORM=BINARY\n" +
	"       dist krew -version VERSION -repository URL FOLDER\n" +
	"       dist sign -version VERSION -key NAME -keyring FILE [-passphrase-file FILE] FOLDER")

func main() {
	switch err := run(os.Args[1:]); {
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	command, args := args[0], args[1:]
	flags := flag.NewFlagSet("dist "+command, flag.ExitOnError)
	version := flags.String("version", "", "version of extsvc")
	switch command {
	case "archive":
		return runArchive(flags, version, args)
	case "krew":
		return runKrew(flags, version, args)
	case "sign":
		return runSign(flags, version, args)
	}
	return errUsage
}

func runArchive(flags *flag.FlagSet, version *string, args []string) error {
	var a archive
	flags.StringVar(&a.license, "license", "", "file of the licence of extsvc")
	flags.StringVar(&a.licenses, "licenses", "", "file of the licences of what extsvc is built from")
	flags.StringVar(&a.completions, "completions", "", "folder of the scripts that complete commands in shells")
	_ = flags.Parse(args) // it exits on an error
	if *version == "" || a.license == "" || a.licenses == "" || a.completions == "" || flags.NArg() != 2 {
		return errUsage
	}
	a.version = *version
	var err error
	if a.platform, a.binary, err = parsePlatform(flags.Arg(1)); err != nil {
		return err
	}
	name, err := a.write(flags.Arg(0))
	if err != nil {
		return err
	}
	fmt.Println(name)
	return nil
}

func runKrew(flags *flag.FlagSet, version *string, args []string) error {
	repository := flags.String("repository", "", "URL of the repository")
	_ = flags.Parse(args) // it exits on an error
	if *version == "" || *repository == "" || flags.NArg() != 1 {
		return errUsage
	}
	return writeManifest(flags.Arg(0), *version, *repository)
}

func runSign(flags *flag.FlagSet, version *string, args []string) error {
	var s signer
	flags.StringVar(&s.key, "key", "", "name or e-mail of the key")
	flags.StringVar(&s.keyring, "keyring", "", "file of the keyring with the secret key")
	flags.StringVar(&s.passphrase, "passphrase-file", "", "file of the passphrase of the key")
	_ = flags.Parse(args) // it exits on an error
	if *version == "" || s.key == "" || s.keyring == "" || flags.NArg() != 1 {
		return errUsage
	}
	return s.sign(flags.Arg(0), *version)
}
