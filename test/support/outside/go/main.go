// The scenarios of outside.py by Go's net/http: outside serve http1|h2 PORT, or outside ask http1|h2 PORT, which
// prints what it got as JSON.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func protocols(kind string) *http.Protocols {
	var these http.Protocols
	these.SetHTTP1(kind == "http1")
	these.SetUnencryptedHTTP2(kind == "h2")
	return &these
}

// ---- the server

var aborted atomic.Int64

func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		_, _ = io.WriteString(w, "again")
		w.(http.Flusher).Flush()
		time.Sleep(20 * time.Millisecond)
	}
	aborted.Add(1)
}

func serve(kind, port string) {
	mux := http.NewServeMux()
	mux.HandleFunc("/small", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "small") })
	mux.HandleFunc("/hash", func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		_, err := io.Copy(hash, r.Body)
		check(err)
		fmt.Fprint(w, hex.EncodeToString(hash.Sum(nil)))
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		check(http.NewResponseController(w).EnableFullDuplex())
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("/cookies", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1, x", "b=2"}
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "hinted")
	})
	mux.HandleFunc("/trailers", func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		check(err)
		fmt.Fprint(w, "body")
		w.(http.Flusher).Flush() // a length would leave no room for trailers in HTTP/1
		w.Header().Set(http.TrailerPrefix+"X-Down", "got "+r.Trailer.Get("X-Up"))
	})
	mux.HandleFunc("/none", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
	})
	mux.HandleFunc("/endless", endless)
	mux.HandleFunc("/aborted", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, aborted.Load()) })
	server := http.Server{Addr: "127.0.0.1:" + port, Handler: mux, Protocols: protocols(kind)}
	check(server.ListenAndServe())
}

// ---- the client

type client struct {
	http http.Client
	base string
}

type answer struct {
	*http.Response
	body  string
	hints []string
}

func (c *client) call(method, path string, body []byte, trailer http.Header) answer {
	var got answer
	trace := httptrace.ClientTrace{Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
		got.hints = append(got.hints, header.Get("Link"))
		return nil
	}}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	if trailer != nil {
		reader = io.NopCloser(reader) // of unknown length, so that trailers can follow
	}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), &trace), method,
		c.base+path, reader)
	check(err)
	request.Trailer = trailer
	got.Response, err = c.http.Do(request)
	check(err)
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	check(err)
	got.body = string(data)
	return got
}

func (c *client) giveUp(path string) {
	within, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(within, "GET", c.base+path, nil)
	check(err)
	response, err := c.http.Do(request)
	check(err)
	_, err = io.ReadFull(response.Body, make([]byte, 10))
	check(err)
	cancel()
	response.Body.Close()
}

func (c *client) parallel(times int) int {
	var good atomic.Int64
	var all sync.WaitGroup
	for range times {
		all.Add(1)
		go func() {
			defer all.Done()
			if got := c.call("POST", "/echo", []byte("z"), nil); got.StatusCode == 200 && got.body == "z" {
				good.Add(1)
			}
		}()
	}
	all.Wait()
	return int(good.Load())
}

func ask(kind, port string) {
	c := client{http.Client{Transport: &http.Transport{Protocols: protocols(kind)}}, "http://127.0.0.1:" + port}
	large := make([]byte, 3<<20)
	for i := range large {
		large[i] = byte(i % 251)
	}
	said := map[string]any{}
	small := c.call("GET", "/small", nil, nil)
	said["small"] = []any{small.StatusCode, small.body}
	said["hash"] = c.call("POST", "/hash", large, nil).body
	echo := sha256.Sum256([]byte(c.call("POST", "/echo", large, nil).body))
	said["echo"] = hex.EncodeToString(echo[:])
	said["cookies"] = c.call("GET", "/cookies", nil, nil).Header["Set-Cookie"]
	hinted := c.call("GET", "/hints", nil, nil)
	said["hints"] = []any{hinted.hints, hinted.body}
	traded := c.call("POST", "/trailers", []byte("x"), http.Header{"X-Up": {"1"}})
	said["trailers"] = []any{traded.body, traded.Trailer.Get("X-Down")}
	said["none"] = c.call("GET", "/none", nil, nil).StatusCode
	head := c.call("HEAD", "/small", nil, nil)
	said["head"] = []any{head.StatusCode, len(head.body)}
	said["refuse"] = c.call("POST", "/refuse", []byte("y"), nil).StatusCode
	said["parallel"] = c.parallel(60)
	c.giveUp("/endless")
	for c.call("GET", "/aborted", nil, nil).body != "1" {
		time.Sleep(20 * time.Millisecond)
	}
	said["aborted"] = "1"
	check(json.NewEncoder(os.Stdout).Encode(said))
}

func main() {
	map[string]func(string, string){"serve": serve, "ask": ask}[os.Args[1]](os.Args[2], os.Args[3])
}
