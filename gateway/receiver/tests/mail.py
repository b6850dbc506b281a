"""A mail server of a test's own: takes what comes, and prints it.

mail.py PORT [CERT KEY]: with a certificate only after STARTTLS and only from user `gatehouse` with
password `s3cret`. Prints `ready`, then each message as a line of JSON.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Printer:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        line = {
            "to": envelope.rcpt_tos,
            "from": envelope.mail_from,
            "id": message["message-id"],
            "subject": message["subject"],
            "auto": message["auto-submitted"],
            "tls": session.ssl is not None,
            "user": session.auth_data.login.decode() if session.auth_data else None,
            "text": message.get_content(),
        }
        print(json.dumps(line), flush=True)
        return "250 taken"


def check(server, session, envelope, mechanism, data):
    good = data.login == b"gatehouse" and data.password == b"s3cret"
    return AuthResult(success=good, handled=False, auth_data=data)


def serve():
    if len(sys.argv) < 4:
        return SMTP(Printer())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    return SMTP(Printer(), tls_context=context, require_starttls=True, auth_required=True,
                auth_require_tls=True, authenticator=check)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(serve, "127.0.0.1", int(sys.argv[1]))
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
