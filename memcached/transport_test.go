package memcached_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/memcachedtest"
	"github.com/holdfast-go/session/memcached"
)

// roundTrip sets and gets often enough for every way of reading and writing.
func roundTrip(t *testing.T, c *memcached.Client) {
	t.Helper()
	ctx := within(t, time.Minute)
	for _, size := range []int{1, 4096, 500_000} {
		value := strings.Repeat("v", size)
		for range 3 {
			if _, err := c.Set(ctx, "k", memcached.Item{Value: []byte(value)}); err != nil {
				t.Fatal(err)
			}
			together(20, func(int) {
				if got, err := c.Get(ctx, "k"); err != nil || string(got.Value) != value {
					t.Errorf("got %d bytes, %v", len(got.Value), err)
				}
			})
		}
	}
}

func TestUnixSocket(t *testing.T) {
	noneLeft(t)
	server := memcachedtest.StartUnix(t)
	c := newClient(t, nil, server)
	roundTrip(t, c)
	server.Kill()
	ctx := within(t, time.Minute)
	eventually(t, "the error names the socket", func() bool {
		_, err := c.Get(ctx, "k")
		return err != nil && strings.Contains(err.Error(), server.Addr)
	})
}

func TestTLS(t *testing.T) {
	noneLeft(t)
	dir := memcachedtest.Dir(t)
	cert, key, roots := certificate(t, dir)
	server := memcachedtest.Start(t, "-Z", "-o", "ssl_chain_cert="+cert+",ssl_key="+key)
	c := newClient(t, &memcached.Options{TLS: &tls.Config{RootCAs: roots}}, server)
	roundTrip(t, c)

	// A frozen server does not hold up Close, which TLS would like to be polite.
	server.Freeze()
	ctx := within(t, time.Minute)
	go c.Set(ctx, "k", memcached.Item{Value: make([]byte, 1<<20-100)})
	began := time.Now()
	c.Close()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("Close took %v", took)
	}
	server.Thaw()

	for name, o := range map[string]*memcached.Options{
		"a certificate of nobody's":  {TLS: new(tls.Config)},
		"a certificate of another's": {TLS: &tls.Config{RootCAs: roots, ServerName: "elsewhere.test"}},
	} {
		if _, err := newClient(t, o, server).Get(ctx, "k"); err == nil || !strings.Contains(err.Error(), "x509") {
			t.Errorf("%s: got %v, want an error of x509", name, err)
		}
	}
}

// certificate makes one for 127.0.0.1 in dir.
func certificate(t *testing.T, dir string) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotAfter:    time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeFile(t, certFile, certPEM)
	writeFile(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, roots
}

func writeFile(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAuth(t *testing.T) {
	file := filepath.Join(memcachedtest.Dir(t), "users")
	writeFile(t, file, []byte("shop:password\n"))
	server := memcachedtest.Start(t, "-Y", file)
	ctx := within(t, time.Minute)

	c := newClient(t, &memcached.Options{Auth: memcached.Auth{User: "shop", Password: "password"}}, server)
	roundTrip(t, c)
	for want, auth := range map[string]memcached.Auth{
		"sign in: ":        {User: "shop", Password: "wrong"},
		"set Options.Auth": {},
	} {
		_, err := newClient(t, &memcached.Options{Auth: auth}, server).Get(ctx, "k")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}

	// A server that wants no password gets none, and so does not store it.
	open := memcachedtest.Start(t)
	roundTrip(t, newClient(t, &memcached.Options{Auth: memcached.Auth{User: "shop", Password: "password"}}, open))
	if got := open.Command("get auth\r\n"); got != "END" {
		t.Errorf("an open server stored the password: %q", got)
	}
}
