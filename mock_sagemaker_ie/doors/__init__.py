"""The doors: how a call comes in. A door knows one transport and `service.answer`; it knows no experiment."""
