;; A guest that does what its request's method says:
;;
;;   GET     answers 200
;;   PUT     computes without end
;;   DELETE  takes memory without end, and goes on when it gets none
;;   PATCH   takes memory until it gets none, and gives up as a program out of memory does
;;   HEAD    takes memory until it gets none, and answers with the number of its pages as the status
;;   TRACE   calls itself without end
;;   other   never answers
(component
  (import "wasi:http/types@0.2.12" (instance $types
    (export "fields" (type $fields (sub resource)))
    (export "incoming-request" (type $incoming-request (sub resource)))
    (export "outgoing-response" (type $outgoing-response (sub resource)))
    (export "response-outparam" (type $response-outparam (sub resource)))

    (type $method' (variant
      (case "get") (case "head") (case "post") (case "put") (case "delete") (case "connect") (case "options")
      (case "trace") (case "patch") (case "other" string)))
    (export "method" (type $method (eq $method')))

    (type $dns-error-payload' (record (field "rcode" (option string)) (field "info-code" (option u16))))
    (export "DNS-error-payload" (type $dns-error-payload (eq $dns-error-payload')))
    (type $TLS-alert-received-payload'
      (record (field "alert-id" (option u8)) (field "alert-message" (option string))))
    (export "TLS-alert-received-payload" (type $TLS-alert-received-payload (eq $TLS-alert-received-payload')))
    (type $field-size-payload' (record (field "field-name" (option string)) (field "field-size" (option u32))))
    (export "field-size-payload" (type $field-size-payload (eq $field-size-payload')))
    (type $error-code' (variant
      (case "DNS-timeout")
      (case "DNS-error" $dns-error-payload)
      (case "destination-not-found")
      (case "destination-unavailable")
      (case "destination-IP-prohibited")
      (case "destination-IP-unroutable")
      (case "connection-refused")
      (case "connection-terminated")
      (case "connection-timeout")
      (case "connection-read-timeout")
      (case "connection-write-timeout")
      (case "connection-limit-reached")
      (case "TLS-protocol-error")
      (case "TLS-certificate-error")
      (case "TLS-alert-received" $TLS-alert-received-payload)
      (case "HTTP-request-denied")
      (case "HTTP-request-length-required")
      (case "HTTP-request-body-size" (option u64))
      (case "HTTP-request-method-invalid")
      (case "HTTP-request-URI-invalid")
      (case "HTTP-request-URI-too-long")
      (case "HTTP-request-header-section-size" (option u32))
      (case "HTTP-request-header-size" (option $field-size-payload))
      (case "HTTP-request-trailer-section-size" (option u32))
      (case "HTTP-request-trailer-size" $field-size-payload)
      (case "HTTP-response-incomplete")
      (case "HTTP-response-header-section-size" (option u32))
      (case "HTTP-response-header-size" $field-size-payload)
      (case "HTTP-response-body-size" (option u64))
      (case "HTTP-response-trailer-section-size" (option u32))
      (case "HTTP-response-trailer-size" $field-size-payload)
      (case "HTTP-response-transfer-coding" (option string))
      (case "HTTP-response-content-coding" (option string))
      (case "HTTP-response-timeout")
      (case "HTTP-upgrade-failed")
      (case "HTTP-protocol-error")
      (case "loop-detected")
      (case "configuration-error")
      (case "internal-error" (option string))))
    (export "error-code" (type $error-code (eq $error-code')))

    (export "[method]incoming-request.method"
      (func (param "self" (borrow $incoming-request)) (result $method)))
    (export "[constructor]fields" (func (result (own $fields))))
    (export "[constructor]outgoing-response"
      (func (param "headers" (own $fields)) (result (own $outgoing-response))))
    (export "[method]outgoing-response.set-status-code"
      (func (param "self" (borrow $outgoing-response)) (param "status-code" u16) (result (result))))
    (export "[static]response-outparam.set"
      (func (param "param" (own $response-outparam))
        (param "response" (result (own $outgoing-response) (error $error-code)))))))
  (alias export $types "incoming-request" (type $incoming-request))
  (alias export $types "response-outparam" (type $response-outparam))

  ;; The only memory. Strings are written to one place, over one another: only the name of an unknown method is one.
  (core module $memory
    (memory (export "memory") 2)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $memory (instantiate $memory))

  (alias core export $memory "memory" (core memory $bytes))
  (alias core export $memory "realloc" (core func $realloc))

  (alias export $types "[method]incoming-request.method" (func $method))
  (alias export $types "[constructor]fields" (func $new-fields))
  (alias export $types "[constructor]outgoing-response" (func $new-response))
  (alias export $types "[method]outgoing-response.set-status-code" (func $set-status))
  (alias export $types "[static]response-outparam.set" (func $set-answer))
  (core func $method (canon lower (func $method) (memory $bytes) (realloc $realloc)))
  (core func $new-fields (canon lower (func $new-fields)))
  (core func $new-response (canon lower (func $new-response)))
  (core func $set-status (canon lower (func $set-status)))
  (core func $set-answer (canon lower (func $set-answer) (memory $bytes)))
  (core func $drop-request (canon resource.drop $incoming-request))

  (core module $guest
    (import "memory" "memory" (memory 2))
    (import "types" "method" (func $method (param i32 i32)))
    (import "types" "new-fields" (func $new-fields (result i32)))
    (import "types" "new-response" (func $new-response (param i32) (result i32)))
    (import "types" "set-status" (func $set-status (param i32 i32) (result i32)))
    (import "types" "set-answer" (func $set-answer (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
    (import "types" "drop-request" (func $drop-request (param i32)))

    (func (export "handle") (param $request i32) (param $out i32)
      (local $method i32)
      (call $method (local.get $request) (i32.const 0))
      (local.set $method (i32.load8_u (i32.const 0)))
      (call $drop-request (local.get $request))
      (if (i32.eq (local.get $method) (i32.const 0))
        (then (call $answer (local.get $out) (i32.const 200))))
      (if (i32.eq (local.get $method) (i32.const 1))
        (then
          (call $take-all)
          (call $answer (local.get $out) (memory.size))))
      (if (i32.eq (local.get $method) (i32.const 3))
        (then (loop $forever (br $forever))))
      (if (i32.eq (local.get $method) (i32.const 4))
        (then
          (loop $forever
            (drop (memory.grow (i32.const 1)))
            (br $forever))))
      (if (i32.eq (local.get $method) (i32.const 8))
        (then
          (call $take-all)
          unreachable))
      (if (i32.eq (local.get $method) (i32.const 7))
        (then (drop (call $without-end (i32.const 0))))))

    ;; Page by page, until there is none. Each is written to, so that it takes real memory.
    (func $take-all
      (local $page i32)
      (loop $more
        (local.set $page (memory.grow (i32.const 1)))
        (if (i32.ne (local.get $page) (i32.const -1))
          (then
            (i32.store (i32.shl (local.get $page) (i32.const 16)) (i32.const 1))
            (br $more)))))

    ;; Adding the depth after the call keeps it from being the last thing that is done.
    (func $without-end (param $depth i32) (result i32)
      (i32.add
        (local.get $depth)
        (call $without-end (i32.add (local.get $depth) (i32.const 1)))))

    (func $answer (param $out i32) (param $status i32)
      (local $response i32)
      (local.set $response (call $new-response (call $new-fields)))
      (drop (call $set-status (local.get $response) (local.get $status)))
      ;; `ok` of the result, and the room that its `error` would take.
      (call $set-answer
        (local.get $out) (i32.const 0) (local.get $response) (i32.const 0) (i64.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0))))
  (core instance $guest (instantiate $guest
    (with "memory" (instance $memory))
    (with "types" (instance
      (export "method" (func $method))
      (export "new-fields" (func $new-fields))
      (export "new-response" (func $new-response))
      (export "set-status" (func $set-status))
      (export "set-answer" (func $set-answer))
      (export "drop-request" (func $drop-request))))))

  (alias core export $guest "handle" (core func $handle))
  (func $handle (param "request" (own $incoming-request)) (param "response-out" (own $response-outparam))
    (canon lift (core func $handle)))
  (instance $incoming-handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.12" (instance $incoming-handler))

  ;; The host looks for the operator's functions when it starts, and asks them when an operator asks it: nobody does.
  (core module $operator (func (export "nothing")))
  (core instance $operator (instantiate $operator))
  (alias core export $operator "nothing" (core func $nothing))
  (func $nothing (canon lift (core func $nothing)))
  (instance $operator
    (export "check" (func $nothing))
    (export "list-grants" (func $nothing))
    (export "revoke" (func $nothing)))
  (export "plausible-mcp:host/operator@0.1.0" (instance $operator)))
