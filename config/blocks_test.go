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

// Files of Windows and of editors that begin them with a mark are read as others are.
func TestLinesOfWindows(t *testing.T) {
	c := mustLoad(t, "\ufeffvariable \"a\" {\r\n  default = <<EOT\r\nx\r\nEOT\r\n}\r\n# end\r\noutput \"o\" {\r\n  value = var.a\r\n}")
	if v := c.Variables["a"]; v == nil || v.DeclRange.Start.Line != 1 || c.Outputs["o"].DeclRange.Start.Line != 7 {
		t.Errorf("got %+v and %+v", v, c.Outputs["o"])
	}
}
