package lookup

import "testing"

func TestAllowsName(t *testing.T) {
	for name, want := range map[string]bool{
		"db.corp.example": true, "a.b.corp.example": true, "DB.Corp.Example.": true, "db.example": true,
		"corp.example": false, "notcorp.example": false, "a.db.example": false,
	} {
		if got := AllowsName([]string{"*.corp.example", "db.example"}, name); got != want {
			t.Errorf("%s: allowed %v, want %v", name, got, want)
		}
	}
	if !AllowsName(nil, "any.example") {
		t.Error("without patterns every name is allowed")
	}
}
