// Command image builds the OCI image of a static binary, the same bytes from the same binaries, and
// pushes it. It needs no Docker.
//
//	image build -name NAME -version VERSION -licenses FILE FOLDER PLATFORM=BINARY...
//	image push -digest DIGEST [-sbom FILE] [-login FILE] FOLDER REPOSITORY VERSION
//
// FOLDER gets NAME-image, an OCI image layout; NAME-image.tar, the same as an archive for containerd and
// kind; and NAME-image.digest with the digest of the image index, which build prints too. NAME is the name
// of the program in the image, and FILE, the licences of what it is built from, becomes /LICENSES. A PLATFORM
// is such as linux/arm64.
//
// push takes such a layout as its FOLDER. It pushes under the tag VERSION, or if the registry has the image
// under it already, nothing. Another image with that tag is an error, because a version never changes. The
// bill of materials goes along as a referrer of the image. The login is a file of docker login or helm
// registry login.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

var errUsage = errors.New("usage: image build -name NAME -version VERSION -licenses FILE FOLDER PLATFORM=BINARY...\n" +
	"       image push -digest DIGEST [-sbom FILE] [-login FILE] FOLDER REPOSITORY VERSION")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:]); {
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "build":
		return runBuild(args[1:])
	case "push":
		return runPush(ctx, args[1:])
	}
	return errUsage
}

func runBuild(args []string) error {
	flags := flag.NewFlagSet("image build", flag.ExitOnError)
	name := flags.String("name", "", "name of the program in the image")
	version := flags.String("version", "", "version of the program")
	licenses := flags.String("licenses", "", "file of the licences of what the program is built from")
	_ = flags.Parse(args) // it exits on an error
	if *name == "" || *version == "" || *licenses == "" || flags.NArg() < 2 {
		return errUsage
	}
	binaries, err := parseBinaries(flags.Args()[1:])
	if err != nil {
		return err
	}
	texts, err := os.ReadFile(*licenses)
	if err != nil {
		return err
	}
	index, err := buildIndex(*name, *version, texts, binaries)
	if err != nil {
		return err
	}
	digest, err := write(flags.Arg(0), *name, *version, index)
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}

func runPush(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("image push", flag.ExitOnError)
	var p push
	flags.StringVar(&p.digest, "digest", "", "digest that the image must have")
	flags.StringVar(&p.sbom, "sbom", "", "file of the bill of materials (CycloneDX, JSON)")
	flags.StringVar(&p.login, "login", "", "file of the login")
	_ = flags.Parse(args) // it exits on an error
	if p.digest == "" || flags.NArg() != 3 {
		return errUsage
	}
	p.layout, p.repository, p.version = flags.Arg(0), flags.Arg(1), flags.Arg(2)
	return p.run(ctx)
}
