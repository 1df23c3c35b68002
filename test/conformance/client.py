#!/usr/bin/env python3
"""A companion in another language, from docs/PROTOCOL.md alone: the standard library and the openssl command.

usage: client.py --url URL [--platform NAME] < CODE

CODE is read from stdin: a pairing code of `maestra hosted enroll USER`, or a code of `maestra local open`.
It registers, syncs both ways as a simple client, reads events, streams telemetry, and prints one line of JSON.
"""
import argparse, base64, hashlib, hmac, json, os, secrets, socket, struct, subprocess, sys, tempfile, urllib.error, urllib.parse, urllib.request, uuid
from datetime import datetime, timedelta, timezone


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value):
    """RFC 8785 for what this protocol signs: no fractions, so Python's own integers will do."""
    if isinstance(value, dict):
        # by UTF-16 code units, where Python's sort_keys goes by code points
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(canonical(key) + ":" + canonical(value[key]) for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        raise ValueError("numbers that are no integers need RFC 8785's own form")
    return json.dumps(value, ensure_ascii=False)


def now(seconds=0):
    at = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (at.microsecond // 1000)


def openssl(*args, data=b""):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, check=True).stdout


PSS = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-sigopt", "rsa_mgf1_md:sha256"]


class Keys:
    def __init__(self, folder, name):
        self.file = os.path.join(folder, name + ".pem")
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.file)
        self.public = openssl("pkey", "-in", self.file, "-pubout").decode()
        self.der = openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")

    def sign(self, context, text):
        return b64(openssl("dgst", "-sha256", *PSS, "-sign", self.file, data=context + b"\0" + text.encode()))


def verify(folder, public, context, text, signature):
    with open(os.path.join(folder, "public.pem"), "w") as file:
        file.write(public)
    with open(os.path.join(folder, "signature"), "wb") as file:
        file.write(unb64(signature))
    openssl("dgst", "-sha256", *PSS, "-verify", os.path.join(folder, "public.pem"), "-signature", os.path.join(folder, "signature"), data=context + b"\0" + text.encode())


def key_id(public):
    return b64(hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", data=public.encode())).digest())


def ask(url, body=None, bearer=None):
    headers = {"content-type": "application/json"}
    if bearer:
        headers["authorization"] = "Bearer " + bearer
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
    try:
        return json.load(urllib.request.urlopen(request, timeout=30))
    except urllib.error.HTTPError as error:
        sys.exit("%s: %s %s" % (url, error.code, error.read().decode()))


def events(url, bearer, count):
    """The first `count` events of a stream, as (cursor, event)."""
    request = urllib.request.Request(url, headers={"authorization": "Bearer " + bearer})
    found, frame = [], {}
    with urllib.request.urlopen(request, timeout=30) as stream:
        for line in stream:
            line = line.decode().rstrip("\n")
            if line == "" and "data" in frame:
                found.append((frame["id"], json.loads(frame["data"])))
                if len(found) == count:
                    return found
            if line == "":
                frame = {}
            elif ": " in line:
                field, value = line.split(": ", 1)
                frame[field] = value
    return found


class WebSocket:
    """As much of RFC 6455 as telemetry needs: text frames out, masked; text frames in, whole; pings answered."""

    def __init__(self, url):
        at = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((at.hostname, at.port or 80), timeout=30)
        self.stream = self.socket.makefile("rb")
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = ["GET %s?%s HTTP/1.1" % (at.path, at.query), "Host: " + at.netloc, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + key, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        status = self.stream.readline().decode()
        headers = {}
        for line in iter(lambda: self.stream.readline().decode().strip(), ""):
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        assert " 101 " in status, status
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert headers["sec-websocket-accept"] == base64.b64encode(accept).decode()

    def frame(self, opcode, data):
        mask = secrets.token_bytes(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + struct.pack("!H", len(data)) if len(data) < 65536 else bytes([0x80 | 127]) + struct.pack("!Q", len(data))
        self.socket.sendall(bytes([0x80 | opcode]) + size + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def send(self, value):
        self.frame(1, json.dumps(value).encode())

    def receive(self):
        while True:
            opcode, size = self.stream.read(2)
            if size >= 126:
                size = struct.unpack("!H" if size == 126 else "!Q", self.stream.read(2 if size == 126 else 8))[0]
            data = self.stream.read(size)
            if opcode & 15 == 1:
                return json.loads(data)
            if opcode & 15 == 9:
                self.frame(10, data)
            elif opcode & 15 == 8:
                sys.exit("closed: %d" % struct.unpack("!H", data[:2])[0])

    def close(self):
        self.frame(8, struct.pack("!H", 1000))
        self.socket.close()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--url", required=True)
    options.add_argument("--platform", default="python")
    options = options.parse_args()
    code = "".join(sys.stdin.read().split())
    with tempfile.TemporaryDirectory() as folder:
        signing, wrap = Keys(folder, "signing"), Keys(folder, "wrap")
        own = options.platform + "_sha256_" + hashlib.sha256(signing.der).hexdigest()
        identity = {"backend_id": own, "backend_type": "companion", "public_key": signing.public, "wrap_key": wrap.public, "capabilities": [], "version": "1.0", "created_at": now()}

        # whose code is it, and who answers
        challenge = secrets.token_urlsafe(32)
        other = ask(options.url + "/identity?challenge=" + challenge)
        verify(folder, other["identity"]["public_key"], b"maestra-identity-v1", canonical({"identity": other["identity"], "challenge": challenge}), other["proof"])
        if code.startswith("maestra-"):
            content = unb64(code[len("maestra-"):])
            content, checksum = content[:-4], content[-4:]
            assert hashlib.sha256(content).digest()[:4] == checksum, "the code is mistyped"
            pairing = json.loads(content)
            assert key_id(other["identity"]["public_key"]) == pairing["fingerprint"], "another backend answers"
            key, session = unb64(pairing["secret"]), "sess_" + secrets.token_hex(16)
            ends = {"local_backend_id": own, "hosted_backend_id": other["identity"]["backend_id"], "user_id": pairing["user_id"]}
        else:
            given = ask(options.url + "/companion-keys", {"code": code, "backend_id": own})
            assert other["identity"]["backend_id"] == given["local_backend_id"], "another backend answers"
            key, session = unb64(given["key"]), "sess_" + given["peer_id"] + "_" + secrets.token_hex(16)
            ends = {field: given[field] for field in ("local_backend_id", "hosted_backend_id", "user_id")}

        # session binding token
        token = {"session_id": session, **ends, "created_at": now(), "expires_at": now(3600)}
        token["signature"] = hmac.new(key, canonical(token).encode(), hashlib.sha256).hexdigest()
        bearer = b64(canonical(token).encode())
        proof = signing.sign(b"maestra-identity-v1", canonical({"identity": identity, "challenge": token["signature"]}))
        joined = ask(options.url + "/register-peer", {"backend_identity": identity, "sbt": bearer, "proof": proof})
        signed = {field: value for field, value in joined.items() if field != "signature"}
        verify(folder, other["identity"]["public_key"], b"maestra-registration-v1", canonical({**signed, "challenge": token["signature"]}), joined["signature"])
        assert joined["peer_id"] == "peer_" + hashlib.sha256((joined["sealing"]["tenant"] + "\0" + own).encode()).hexdigest()[:16]

        def sync(conversations, cursor=None):
            payload = {"sync_id": str(uuid.uuid4()), "timestamp": now(), "conversations": conversations}
            if cursor:
                payload["cursor"] = cursor
            payload["signature"] = signing.sign(b"maestra-sync-v1", canonical(payload))
            return ask("%s/sync/%s" % (options.url, joined["peer_id"]), payload, bearer)

        # out: two messages, then the same again, then an edit
        conversation = "python-" + secrets.token_hex(8)
        first = {"id": "m1", "role": "user", "content": "hello from Python", "version": 0}
        second = {"id": "m2", "role": "assistant", "content": "grüße, 世界 🐍", "version": 0}
        sync([{"conversation_id": conversation, "version": 0, "messages": [first, second]}])
        answer = sync([{"conversation_id": conversation, "version": 0, "messages": [first, second]}])
        while answer["next_sync_in_ms"] == 0:
            answer = sync([], answer["cursor"])
        seen = [change for change in answer["changes"] if change["conversation_id"] == conversation][0]
        version = [message for message in seen["messages"] if message["id"] == "m1"][0]["version"]
        edited = sync([{"conversation_id": conversation, "version": 0, "messages": [{**first, "content": "hello from Python, edited", "version": version + 1}]}], answer["cursor"])
        # in: only what changed since the cursor
        changed = [change for change in edited["changes"] if change["conversation_id"] == conversation][0]
        assert [message["content"] for message in changed["messages"]] == ["hello from Python, edited"], changed
        # written by somebody else: another endpoint stands for another device
        ask("%s/conversations/%s-2/messages" % (options.url, conversation), {"role": "user", "content": "from elsewhere"}, bearer)
        arrived = sync([], edited["cursor"])
        assert any(message["content"] == "from elsewhere" for change in arrived["changes"] for message in change["messages"]), arrived
        assert sync([], arrived["cursor"])["changes"] == []

        stream = events("%s/events?from=start&subject=%s" % (options.url, conversation), bearer, 3)
        assert [event["type"] for _, event in stream] == ["message.appended", "message.appended", "message.edited"], stream
        name = canonical([own, conversation, "m1", 0])
        assert stream[0][1]["id"] == str(uuid.uuid5(uuid.UUID("8f9c4f5e-3d0a-5b7e-9c61-2e7a4d1b6f30"), name))

        # telemetry: a ticket, a frame for each event, an answer for each frame; the second time changes nothing
        ticket = ask("%s/telemetry/%s/ticket" % (options.url, joined["peer_id"]), {}, bearer)["ticket"]
        stream_of = WebSocket("%s/telemetry/%s?ticket=%s" % (options.url.replace("http", "ws", 1), joined["peer_id"], ticket))
        told = [{"event_id": str(uuid.uuid4()), "event_type": "python client", "session_id": session, "timestamp": now(), "source_backend": options.platform, "metadata": {"n": n}} for n in range(3)]
        for event in told + told[:1] + [{"event_type": "no id"}]:
            stream_of.send(event)
        answers = [stream_of.receive() for _ in range(5)]
        stream_of.close()
        assert [answer["status"] for answer in answers] == ["acked"] * 4 + ["rejected"], answers
        assert [answer["event_id"] for answer in answers[:4]] == [event["event_id"] for event in told + told[:1]]
        counted = ask("%s/telemetry?type=python%%20client&source=%s" % (options.url, options.platform), None, bearer)["events"]
        assert sorted(event["event_id"] for event in counted if event["session_id"] == session) == sorted(event["event_id"] for event in told), counted
        print(json.dumps({"peer_id": joined["peer_id"], "conversation": conversation, "events": len(stream), "telemetry": len(told)}))


main()
