package config

import "testing"

// What blocks cannot say: see TestLoadDiagnostics for more.
func TestBlockDiagnostics(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"two lifecycle blocks": {"resource \"a\" \"a\" {\n  lifecycle {}\n  lifecycle {}\n}", []string{
			`main.diy.hcl:3,3-12: Duplicate lifecycle block; a.a has a lifecycle block already, at`}},
		"module with an empty source": {"module \"a\" {\n  source = \"\"\n}", []string{
			`main.diy.hcl:2,12-14: Invalid source of a module; source is empty`}},
		"ephemeral output of the root": {"output \"a\" {\n  value     = 1\n  ephemeral = true\n}", []string{
			`main.diy.hcl:3,3-12: Ephemeral output of the root module; Outputs of the root module are recorded`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, diags := loadText(t, tt.text)
			wantDiags(t, diags, tt.want...)
		})
	}
}
