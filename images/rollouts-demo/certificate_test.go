package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

func makeCertificate(t *testing.T) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	certificate, err := newCertificate()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return certificate, leaf
}

func trusting(leaf *x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return pool
}

func TestCertificateVerifies(t *testing.T) {
	_, leaf := makeCertificate(t)
	for _, name := range []string{"rollouts-demo", "localhost", "127.0.0.1", "::1"} {
		for _, when := range []time.Time{time.Now(), time.Now().AddDate(5, 0, 0)} {
			_, err := leaf.Verify(x509.VerifyOptions{Roots: trusting(leaf), DNSName: name, CurrentTime: when})
			if err != nil {
				t.Errorf("%s at %s: %v", name, when, err)
			}
		}
	}
}

func TestCertificateUsesP256(t *testing.T) {
	_, leaf := makeCertificate(t)
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		t.Errorf("public key is %T", leaf.PublicKey)
	}
}

func TestCertificateIsNewEveryTime(t *testing.T) {
	first, _ := makeCertificate(t)
	second, _ := makeCertificate(t)
	if bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Error("two starts share one certificate")
	}
}
