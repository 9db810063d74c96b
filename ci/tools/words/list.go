package main

import (
	"regexp"
	"strings"
)

// word is a pattern that is not used, and what to write instead. A space in it is any white space, also the
// end of a line of a comment.
type word struct {
	expression string
	instead    string
}

func (w word) pattern() *regexp.Regexp { return compile(w.expression) }

var words = []word{
	{`\bstand(s|ing)?\b|\bstood\b`, `"is", "is set" or the verb`},
	{`\bbeside\b`, `"next to", "and" or "as well as"`},
	{`\b(is|are) no \w+`, `"unknown X" or "is not a X"`},
	{`\b(is|are|was|were) none\b`, `"there is no X", or what is there`},
	{`\bwithout a word\b`, `"silently", or what is not said`},
	{`\b(be|is|are|was|were) had\b`, `the verb`},
	{`\bas (\w+ ){1,4}(has|have) (it|them)\b`, `"as in X"`},
	{`\btoo much\b`, `"unexpected X", or the limit`},
	{`\bleads?\b`, `"route" or "forward" for connections, "resolve" for names`},
	{`\banew\b`, `"again"`},
	{`\b(says|say) lint\b`, `"lint says"`},
	{`\b(a|one) helm is\b`, `"another Helm operation is"`},
	{`\btakes? (list|get|create|patch|watch|delete|update) of\b`, `"needs permission to list X"`},
	{`\bfaults?\b`, `"error", or "finding" for what a command reports`},
	{`\bhazards?\b`, `"finding"`},
	{`\bloss(es)?\b`, `"finding", or what is not carried over`},
	{`\bremarks?\b`, `"finding"`},
	{`\bheld\b`, `"kept", "tested" or "checked"`},
	{`\bshapes?\b`, `"form" or "kind"`},
	{`\bsettle[ds]?\b`, `"decide", or the state that is waited for`},
	{`\b(lay|lays|laid|laying)\b`, `"merge" or "apply"`},
	{`\bplain(ly)?\b`, `"clear", or nothing`},
	{`\bdrafts?\b`, `"proposal", or the name of the thing`},
}

// exception is a phrase with a word that means something else there.
type exception struct {
	phrase string // an expression, as in word
	reason string
}

func (e exception) pattern() *regexp.Regexp { return compile(e.phrase) }

var exceptions = []exception{
	{`\b[Tt]here (is|are) no \w+`, "English for what is missing"},
	{`\b(is|are) no longer\b`, "English for what has ended"},
	{`\b(Pod|replica) leads\b`, "a leader that was elected"},
	{`draft-07`, "the name of a version of JSON Schema"},
}

func compile(expression string) *regexp.Regexp {
	return regexp.MustCompile(strings.ReplaceAll(expression, " ", `[\s#]+`))
}
