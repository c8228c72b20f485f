package modsource

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/diag"
)

// fetchGit makes the folder dir of what a repository has at the source's ref, with submodules and
// without history, and gives the commit. One commit is asked for where the server can give one.
func fetchGit(ctx context.Context, src Source, dir string, o Options) (commit string, err error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return "", &diag.Problem{
			Summary: "Git is not installed",
			Detail:  fmt.Sprintf("The module at %s is in a git repository, and there is no program \"git\" in PATH to read it. Install it; the package is mostly called \"git\".", src.pkgName()),
			Err:     err,
		}
	}
	if dir, err = filepath.Abs(dir); err != nil { // git is run in it
		return "", err
	}
	g := &git{program: program, dir: dir, src: src, Options: o, progress: newProgress(o.Log)}
	// No template: hooks that a user has for new repositories are not for this one.
	if _, err := g.runIn(ctx, filepath.Dir(dir), "init", "--quiet", "--template=", "--", dir); err != nil {
		return "", err
	}
	commit, err = g.fetch(ctx)
	if err != nil {
		return "", err
	}
	if _, err := g.run(ctx, "checkout", "--quiet", "--detach", commit, "--"); err != nil {
		return "", err
	}
	if err := g.submodules(ctx); err != nil {
		return "", err
	}
	return commit, removeMetadata(dir)
}

// git runs the git program in a repository.
type git struct {
	program, dir string
	src          Source
	Options
	progress *progress
}

// fetch gets the commit that is meant, and its files. `git fetch` takes a ref for a tag before it
// takes it for a branch, as `git checkout` does.
func (g *git) fetch(ctx context.Context) (string, error) {
	ref := g.src.Ref
	if ref == "" {
		ref = "HEAD"
	}
	depth := "--depth=" + strconv.Itoa(max(g.src.Depth, 1))
	_, err := g.run(ctx, fetchArguments(depth, "--no-tags", "--", g.src.URL, ref)...)
	if err == nil {
		return g.resolve(ctx, "FETCH_HEAD")
	}
	if ctx.Err() != nil {
		return "", err
	}
	if commitLike.MatchString(g.src.Ref) {
		return g.fetchAll(ctx, err)
	}
	if !strings.Contains(err.Error(), "shallow") { // what "dumb" HTTP servers cannot do
		return "", g.explain(err)
	}
	if _, err := g.run(ctx, fetchArguments("--no-tags", "--", g.src.URL, ref)...); err != nil {
		return "", g.explain(err)
	}
	return g.resolve(ctx, "FETCH_HEAD")
}

func fetchArguments(arguments ...string) []string {
	return append([]string{"fetch", "--progress", "--no-recurse-submodules", "--no-auto-maintenance"}, arguments...)
}

// fetchAll looks for a commit in all branches and tags: its name is cut short, or the server does
// not give single commits.
func (g *git) fetchAll(ctx context.Context, first error) (string, error) {
	_, err := g.run(ctx, fetchArguments("--tags", "--", g.src.URL, "+refs/heads/*:refs/remotes/origin/*")...)
	if err != nil {
		return "", errors.Join(g.explain(first), ctx.Err())
	}
	commit, err := g.resolve(ctx, g.src.Ref)
	if err != nil {
		return "", g.noSuchRef(err)
	}
	return commit, nil
}

// resolve gives the whole name of a commit.
func (g *git) resolve(ctx context.Context, name string) (string, error) {
	out, err := g.run(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	if err != nil {
		return "", err
	}
	out = strings.TrimSpace(out)
	if !commit.MatchString(out) {
		return "", fmt.Errorf("git names no commit but %q", out)
	}
	return out, nil
}

// explain says in plain words what git's message means, where that is known.
func (g *git) explain(err error) error {
	if strings.Contains(err.Error(), "couldn't find remote ref") {
		return g.noSuchRef(err)
	}
	return err
}

func (g *git) noSuchRef(err error) error {
	if g.src.Ref == "" {
		return &diag.Problem{
			Summary: "Cannot download module",
			Detail:  fmt.Sprintf("The repository %s has no default branch: it is empty, or its HEAD names a branch that is not there. Write which branch, tag or commit is meant: \"?ref=NAME\".", redacted(g.src.URL)),
			Err:     err,
		}
	}
	return &diag.Problem{
		Summary: "Cannot download module",
		Detail:  fmt.Sprintf("There is no branch, tag or commit %q in %s. \"git ls-remote\" lists what there is.", g.src.Ref, redacted(g.src.URL)),
		Err:     err,
	}
}

// submodules gets them as they are recorded. Their addresses may be relative to the repository's.
func (g *git) submodules(ctx context.Context) error {
	if _, err := os.Lstat(filepath.Join(g.dir, ".gitmodules")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := g.run(ctx, "config", "remote.origin.url", g.src.URL); err != nil {
		return err
	}
	arguments := []string{"submodule", "update", "--init", "--recursive", "--progress"}
	if g.src.Depth > 0 {
		arguments = append(arguments, "--depth", strconv.Itoa(g.src.Depth))
	}
	_, err := g.run(ctx, arguments...)
	return err
}

// removeMetadata removes what git keeps for itself, in submodules too. The module is its files;
// their history would make a store many times as large.
func removeMetadata(dir string) error {
	var found []string
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() != ".git" {
			return err
		}
		found = append(found, name)
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	for _, name := range found {
		err = errors.Join(err, os.RemoveAll(name))
	}
	return err
}

func (g *git) run(ctx context.Context, arguments ...string) (string, error) {
	return g.runIn(ctx, g.dir, arguments...)
}

// runIn runs git and gives what it prints.
func (g *git) runIn(ctx context.Context, dir string, arguments ...string) (string, error) {
	cmd := exec.CommandContext(ctx, g.program, append(configuration(), arguments...)...)
	cmd.Dir, cmd.Env = dir, g.environment()
	var out strings.Builder
	messages := &messages{progress: g.progress, name: g.src.pkgName()}
	cmd.Stdout, cmd.Stderr = &out, messages
	cmd.WaitDelay = 5 * time.Second
	if !g.Ask {
		// All that git starts (ssh, git-remote-https) ends with it. Where it may ask, it has to
		// stay in the terminal's foreground, and so gets the terminal's signals itself.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	} else {
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	}
	if err := cmd.Run(); err != nil {
		return "", g.failure(arguments[0], err, messages.text())
	}
	return out.String(), nil
}

// failure is the error of a run: git's own words, without the password in them.
func (g *git) failure(command string, err error, said string) error {
	if said == "" {
		return fmt.Errorf("git %s: %w", command, err)
	}
	said = strings.ReplaceAll(said, g.src.URL, redacted(g.src.URL))
	return &gitError{command, said, err}
}

// gitError is that git failed. Its exit status says no more to people than its words do.
type gitError struct {
	command, said string
	err           error
}

func (e *gitError) Error() string { return "git " + e.command + " says: " + e.said }
func (e *gitError) Unwrap() error { return e.err }

// configuration comes before what the user has configured. What a repository says decides
// neither about other protocols nor about programs that are run: submodules come over https and
// ssh (CVE-2022-39253 is about those from folders of this machine), and there are no hooks.
// GIT_ALLOW_PROTOCOL in the environment goes before. No reflog is written: for it, git asks the
// DNS for this host's name, and where that does not answer a checkout takes ten seconds.
func configuration() []string {
	var out []string
	for _, c := range []string{
		"protocol.allow=never", "protocol.https.allow=always", "protocol.ssh.allow=always",
		"protocol.http.allow=user", "protocol.git.allow=user", "protocol.file.allow=user",
		"core.hooksPath=/dev/null", "core.fsmonitor=false", "submodule.recurse=false", "fetch.recurseSubmodules=false",
		"advice.detachedHead=false", "init.defaultBranch=main", "gc.auto=0", "core.logAllRefUpdates=false",
	} {
		out = append(out, "-c", c)
	}
	return out
}

// notPassedOn are variables that say which repository is meant. They are there when diyform runs
// in a hook of another one.
var notPassedOn = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_SHALLOW_FILE",
	"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE",
	"GIT_PROTOCOL_FROM_USER", "GIT_TEMPLATE_DIR", "GIT_DEFAULT_HASH", "GIT_EXTERNAL_DIFF", "GIT_TRACE", "LC_ALL", "LANGUAGE",
}

func (g *git) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(notPassedOn, name)
	})
	env = append(env, "LC_ALL=C") // explain reads messages
	if !g.Ask {
		env = append(env, "GIT_TERMINAL_PROMPT=0")
		_, command := os.LookupEnv("GIT_SSH_COMMAND")
		_, program := os.LookupEnv("GIT_SSH")
		if !command && !program {
			env = append(env, "GIT_SSH_COMMAND=ssh -o BatchMode=yes")
		}
	}
	return env
}
