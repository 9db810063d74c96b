package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"external-services/tools/values"
)

// withImage sets the default image of the resolver, unless it is empty: REPOSITORY@DIGEST.
func withImage(defaults values.Values, image string) (values.Values, error) {
	if image == "" {
		return defaults, nil
	}
	repository, digest, _ := strings.Cut(image, "@")
	for _, part := range []struct{ format, text string }{{"image", repository}, {"digest", digest}} {
		format := values.Formats[part.format]
		if part.text == "" || !regexp.MustCompile(format.Pattern).MatchString(part.text) {
			return defaults, fmt.Errorf("image %q: %q is not a valid %s: write %s", image, part.text, format.Title, format.Write)
		}
	}
	defaults.Resolver.Image.Repository, defaults.Resolver.Image.Digest = repository, digest
	return defaults, nil
}

// reference returns the name of an image, with its digest or else its tag, which may be the default one.
func reference(image values.Image, tag string) string {
	if image.Digest != "" {
		return image.Repository + "@" + image.Digest
	}
	return image.Repository + ":" + cmp.Or(image.Tag, tag)
}
