package findings

import (
	"strings"

	"github.com/hbollon/go-edlib"
)

// Nearest returns the word that another one is most likely a misspelling of, or nothing: one
// edit in three characters at most, with letters of either case alike.
func Nearest(word string, words []string) string {
	nearest, least := "", len(word)/3+1
	for _, candidate := range words {
		if len(candidate) >= len(word)+least || len(word) >= len(candidate)+least {
			continue
		}
		if edits := edlib.OSADamerauLevenshteinDistance(strings.ToLower(word), strings.ToLower(candidate)); edits < least {
			nearest, least = candidate, edits
		}
	}
	return nearest
}
