"""The one table of routes: method, address, view, who may ask, what is sent, what is answered, what is refused.

Begin reading here. A message that comes in is the row `POST /api/v1/contacts`; a payment is `POST /api/v1/transfers`.
"""

from sahut.journey import Receipt
from sahut.web import shapes
from sahut.web.api import cases, contacts, desk, house, money, sessions
from sahut.web.live import live
from sahut.web.pages import desk as desk_page
from sahut.web.pages import home, sign_in
from sahut.web.static import static_file
from sahut.web.table import AGENT, ANYONE, CUSTOMER, SIGNED_IN, Row

_V1 = "/api/v1"

API: tuple[Row, ...] = (
    Row(
        "POST", f"{_V1}/sessions", sessions.open_session, ANYONE, 201,
        takes=shapes.NewSession, gives=shapes.Session,
        refuses=("wrong_phone_or_pin", "bad_phone", "try_later", "busy"),
    ),
    Row("DELETE", f"{_V1}/sessions/current", sessions.close_session, SIGNED_IN, 204),
    Row("GET", f"{_V1}/wallet", money.show_wallet, CUSTOMER, gives=shapes.Wallet, refuses=("no_wallet",)),
    Row(
        "GET", f"{_V1}/activity", money.list_activity, CUSTOMER,
        gives=shapes.Movements, refuses=("no_wallet", "wrong_field"),
    ),
    Row(
        "POST", f"{_V1}/transfers", money.send_transfer, CUSTOMER, 201,
        takes=shapes.NewTransfer, gives=shapes.Transfer,
        refuses=(
            "idempotency_key_required", "bad_idempotency_key", "key_reused", "bad_phone", "unknown_recipient",
            "unknown_currency", "no_wallet", "bad_text", "insufficient_funds", "same_account", "no_such_account",
            "wrong_currency", "amount_out_of_bounds", "account_stopped", "daily_limit", "monthly_limit",
            "balance_ceiling", "posting_refused", "busy", "outcome_unknown",
        ),
    ),
    Row(
        "POST", f"{_V1}/contacts", contacts.receive_contact, ANYONE, 202,
        takes=shapes.NewContact, gives=Receipt, refuses=("bad_text", "contact_key_reused", "busy", "outcome_unknown"),
    ),
    Row(
        "GET", f"{_V1}/contacts/{{number}}", contacts.show_contact, ANYONE,
        gives=shapes.ContactShown, refuses=("not_here", "wrong_field"),
    ),
    Row("GET", f"{_V1}/cases", cases.list_cases, CUSTOMER, gives=shapes.Cases),
    Row(
        "GET", f"{_V1}/cases/{{number}}", cases.show_case, SIGNED_IN,
        gives=shapes.CaseShown, refuses=("no_such_case",),
    ),
    Row(
        "GET", f"{_V1}/cases/{{number}}/messages", cases.list_messages, SIGNED_IN,
        gives=shapes.Messages, refuses=("no_such_case", "wrong_field"),
    ),
    Row("GET", f"{_V1}/desk/cases", desk.list_queue, AGENT, gives=shapes.Cases),
    Row(
        "POST", f"{_V1}/desk/cases/{{number}}/replies", desk.send_reply, AGENT, 201,
        takes=shapes.NewReply, gives=shapes.MessageShown,
        refuses=("no_such_case", "case_closed", "conversation_moved", "message_key_reused", "bad_text"),
    ),
    Row("GET", f"{_V1}/live", live, SIGNED_IN, refuses=("too_many_streams", "not_ready", "wrong_field")),
    Row("GET", "/livez", house.livez, ANYONE, gives=shapes.Health),
    Row("GET", "/readyz", house.readyz, ANYONE, gives=shapes.Health, refuses=("not_ready",)),
    Row("GET", "/.well-known/customer-service.json", house.directory, ANYONE, gives=shapes.Directory),
)  # fmt: skip

PAGES: tuple[Row, ...] = (
    Row("GET", "/", home.front, ANYONE),
    Row("POST", "/sign-in", sign_in.sign_in, ANYONE, 303, takes=shapes.SignInForm),
    Row("POST", "/sign-out", sign_in.sign_out_here, SIGNED_IN, 303, takes=shapes.Nothing),
    Row("POST", "/desk/sign-out", sign_in.sign_out_here, SIGNED_IN, 303, takes=shapes.Nothing),
    Row("POST", "/write", sign_in.write_signed_out, ANYONE, 303, takes=shapes.MessageForm),
    Row("GET", "/receipts/{number}", sign_in.show_receipt, ANYONE),
    Row("POST", "/send", home.send_money, CUSTOMER, 303, takes=shapes.SendForm),
    Row("POST", "/messages", home.send_message, CUSTOMER, 303, takes=shapes.MessageForm),
    Row("GET", "/partials/wallet", home.wallet_part, CUSTOMER),
    Row("GET", "/partials/activity", home.activity_part, CUSTOMER),
    Row("GET", "/partials/thread", home.thread_part, CUSTOMER),
    Row("GET", "/desk", desk_page.front, ANYONE),
    Row("GET", "/desk/cases/{number}", desk_page.show_case, AGENT),
    Row("POST", "/desk/cases/{number}/replies", desk_page.send_reply, AGENT, 303, takes=shapes.ReplyForm),
    Row("GET", "/desk/partials/queue", desk_page.queue_part, AGENT),
    Row("GET", "/desk/partials/feed", desk_page.feed_part, AGENT),
    Row("GET", "/desk/partials/cases/{number}", desk_page.thread_part, AGENT),
    Row("GET", "/desk/partials/cases/{number}/facts", desk_page.facts_part, AGENT),
    Row("GET", "/static/{version}/{name}", static_file, ANYONE),
)

TABLE: tuple[Row, ...] = API + PAGES
