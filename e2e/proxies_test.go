package e2e_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/test/daemon"
)

// proxies are real ones with their default settings, in front of a server on a loopback
// port.
var proxies = []struct {
	name   string
	config func(t *testing.T, upstream string) daemon.Program
}{
	{"nginx", nginxWith("")},
	{"Apache with mod_cache", apacheProxy},
	{"HAProxy", haproxyProxy},
	{"Node", nodeProxy},
}

// startProxy starts a proxy in front of a server, and returns its URL.
func startProxy(t *testing.T, config func(*testing.T, string) daemon.Program, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := config(t, u.Host)
	p.Ports = 1
	p.Answers = func(ports []int, _ int) bool {
		c, err := net.Dial("tcp", daemon.Addr(ports[0]))
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	return "http://" + daemon.Addr(daemon.Start(t, p).Ports[0])
}

// system returns the path of a program that Debian keeps where not every user looks.
func system(name string) string {
	if _, err := exec.LookPath(name); err != nil {
		return filepath.Join("/usr/sbin", name)
	}
	return name
}

// openDir returns a new folder that a worker of another user may use too.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func writeConfig(t *testing.T, dir, text string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// nginxWith is nginx with some directives of the server. What it says of its errors is shown
// where the test fails.
func nginxWith(directives string) func(*testing.T, string) daemon.Program {
	return nginxOn("", directives)
}

// nginxOn is nginxWith, with parameters of the directive listen.
func nginxOn(listen, directives string) func(*testing.T, string) daemon.Program {
	return func(t *testing.T, upstream string) daemon.Program {
		dir := openDir(t)
		t.Cleanup(func() {
			if said, err := os.ReadFile(filepath.Join(dir, "errors")); err == nil && t.Failed() {
				t.Logf("nginx said: %.2000s", said)
			}
		})
		temp := ""
		for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			temp += fmt.Sprintf("%s_temp_path %s; ", name, filepath.Join(dir, name))
		}
		return daemon.Program{
			Command: system("nginx"), Install: "apt-get install nginx", Family: true,
			Args: func(ports []int) []string {
				return []string{"-p", dir, "-c", writeConfig(t, dir, fmt.Sprintf(
					"daemon off; pid %s/pid; error_log %s/errors; events {}\nhttp { access_log off; %s\nserver { listen %s %s; %s location / { proxy_pass http://%s; } } }\n",
					dir, dir, temp, daemon.Addr(ports[0]), listen, directives, upstream))}
			},
		}
	}
}

// apacheProxy caches what it may, on disk.
func apacheProxy(t *testing.T, upstream string) daemon.Program {
	dir := openDir(t)
	modules := ""
	for _, name := range []string{"mpm_event", "authz_core", "proxy", "proxy_http", "cache", "cache_disk"} {
		modules += fmt.Sprintf("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", name, name)
	}
	if os.Getuid() == 0 {
		modules += "User www-data\nGroup www-data\n"
	}
	return daemon.Program{
		Command: system("apache2"), Install: "apt-get install apache2", Family: true,
		Args: func(ports []int) []string {
			return []string{"-DFOREGROUND", "-f", writeConfig(t, dir, fmt.Sprintf(
				"%sServerRoot %s\nServerName localhost\nListen %s\nPidFile %s/pid\nErrorLog /dev/stderr\nCacheRoot %s\nCacheEnable disk /\nProxyPass / http://%s/\n",
				modules, dir, daemon.Addr(ports[0]), dir, dir, upstream))}
		},
	}
}

func haproxyProxy(t *testing.T, upstream string) daemon.Program {
	dir := openDir(t)
	return daemon.Program{
		Command: system("haproxy"), Install: "apt-get install haproxy", Family: true,
		Args: func(ports []int) []string {
			return []string{"-db", "-f", writeConfig(t, dir, fmt.Sprintf(
				"defaults\n mode http\n timeout connect 30s\n timeout client 30s\n timeout server 30s\nfrontend f\n bind %s\n default_backend b\nbackend b\n server s %s\n",
				daemon.Addr(ports[0]), upstream))}
		},
	}
}

func nodeProxy(t *testing.T, upstream string) daemon.Program {
	_, port, err := net.SplitHostPort(upstream)
	if err != nil {
		t.Fatal(err)
	}
	return daemon.Program{
		Command: "node", Install: "apt-get install nodejs",
		Args: func(ports []int) []string { return []string{"proxy.js", strconv.Itoa(ports[0]), port} },
	}
}

// isOurs reports whether the shop has answered, and not the proxy in front of it.
func isOurs(policy string) bool { return strings.HasPrefix(policy, "default-src 'none'") }
