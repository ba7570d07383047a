"""edge. A private folder that plays a host: the module's socket and service files that name it."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.support.pam import PamSession, Service, pam_session, service_folder
from tests.support.scripted_agent import Script, scripted_agent


@dataclass(frozen=True)
class Host:
    """A private folder with a socket path and service files; `module` is one of the two builds."""

    folder: Path
    module: Path
    sanitized: bool

    @property
    def socket(self) -> Path:
        return self.folder / "pam.sock"

    def stack(
        self, options: str = "", *, service: str = "demo", text: str | None = None
    ) -> Service:
        """A stack with the module alone in it, or `text` with `{module}` filled in."""
        line = "auth required {module} socket={socket} {options}\n" if text is None else text
        filled = line.format(module=self.module, socket=self.socket, options=options)
        return service_folder(self.folder / "pam.d", service, filled)

    def agent(self, script: Script) -> AbstractAsyncContextManager[None]:
        return scripted_agent(self.socket, script)

    def caller(
        self,
        service: Service | None = None,
        user: str | bytes = "alice",
        *,
        arguments: tuple[str | bytes, ...] = (),
    ) -> AbstractAsyncContextManager[PamSession]:
        stack = self.stack() if service is None else service
        return pam_session(stack, user, sanitized=self.sanitized, arguments=arguments)
