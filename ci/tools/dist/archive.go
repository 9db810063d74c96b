package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"
)

// templates are the files that dist writes itself.
//
//go:embed templates
var templates embed.FS

// folder is what an archive unpacks to. Helm 4 finds a plugin in the folder with the plugin's name.
const folder = "extsvc"

// made is the time of all files in an archive, the first one that zip has.
var made = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// platform is an operating system and an architecture, as Go names them.
type platform struct{ OS, Architecture string }

// parsePlatform reads an argument PLATFORM=BINARY.
func parsePlatform(arg string) (p platform, binary string, err error) {
	text, binary, _ := strings.Cut(arg, "=")
	p.OS, p.Architecture, _ = strings.Cut(text, "/")
	if p.OS == "" || p.Architecture == "" || binary == "" {
		return p, "", fmt.Errorf("unexpected argument %q: write PLATFORM=BINARY, such as linux/arm64=bin/extsvc", arg)
	}
	return p, binary, nil
}

// Program is the name of the program on the platform.
func (p platform) Program() string {
	if p.OS == "windows" {
		return "extsvc.exe"
	}
	return "extsvc"
}

// archiveName is the name of the archive of a platform.
func (p platform) archiveName(version string) string {
	format := "tar.gz"
	if p.OS == "windows" {
		format = "zip"
	}
	return fmt.Sprintf("extsvc-%s-%s-%s.%s", version, p.OS, p.Architecture, format)
}

// archive is what an archive of extsvc is made of.
type archive struct {
	version                        string
	platform                       platform
	binary                         string
	license, licenses, completions string
}

// entry is a file of an archive.
type entry struct {
	name    string
	content []byte
	mode    int64
}

// write writes the archive to a folder and returns its name.
func (a archive) write(to string) (name string, err error) {
	entries, err := a.entries()
	if err != nil {
		return "", err
	}
	pack := packTar
	if a.platform.OS == "windows" {
		pack = packZip
	}
	var out bytes.Buffer
	if err := pack(&out, entries); err != nil {
		return "", err
	}
	name = a.platform.archiveName(a.version)
	return name, os.WriteFile(filepath.Join(to, name), out.Bytes(), 0o644)
}

// entries are the files of the archive, in the order of their names.
func (a archive) entries() ([]entry, error) {
	files := map[string]string{"LICENSE": a.license, "THIRD-PARTY-LICENSES": a.licenses}
	for _, extension := range []string{"bash", "fish", "ps1", "zsh"} {
		files["completions/extsvc."+extension] = filepath.Join(a.completions, "extsvc."+extension)
	}
	entries := []entry{}
	for name, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{name, content, 0o644})
	}
	program, err := os.ReadFile(a.binary)
	if err != nil {
		return nil, err
	}
	plugin, err := expand("plugin.yaml", struct{ Version string }{a.version})
	if err != nil {
		return nil, err
	}
	entries = append(entries, entry{a.platform.Program(), program, 0o755}, entry{"plugin.yaml", plugin, 0o644})
	if a.platform.OS != "windows" { // which does not run scripts of sh
		for _, name := range []string{"plugin.complete", "kubectl_complete-extsvc"} {
			script, err := templates.ReadFile("templates/" + name)
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry{name, script, 0o755})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return entries, nil
}

// expand expands one of the templates.
func expand(name string, data any) ([]byte, error) {
	parsed, err := template.ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, data)
	return out.Bytes(), err
}

// packTar writes a tar.gz of files of root.
func packTar(w io.Writer, entries []entry) error {
	compressed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	out := tar.NewWriter(compressed)
	for _, e := range entries {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: folder + "/" + e.name, Size: int64(len(e.content)), Mode: e.mode, ModTime: made,
			Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
		}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		if _, err := out.Write(e.content); err != nil {
			return err
		}
	}
	return errors.Join(out.Close(), compressed.Close())
}

// packZip writes a zip.
func packZip(w io.Writer, entries []entry) error {
	out := zip.NewWriter(w)
	out.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	for _, e := range entries {
		header := &zip.FileHeader{Name: folder + "/" + e.name, Method: zip.Deflate, Modified: made}
		header.SetMode(os.FileMode(e.mode))
		file, err := out.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := file.Write(e.content); err != nil {
			return err
		}
	}
	return out.Close()
}
