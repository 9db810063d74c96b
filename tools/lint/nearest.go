package lint

import "strings"

// nearest is the word that another one is most likely a slip of, or empty: at most one
// slip in three characters makes a word of another, and upper and lower case is none.
func nearest(word string, words []string) string {
	best, least := "", len(word)/3+1
	if len(word) > 64 {
		return ""
	}
	for _, candidate := range words {
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); candidate != "" && d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance is how many characters have to be put in, taken out, replaced or swapped with
// their neighbour to make b of a: the optimal string alignment distance.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
