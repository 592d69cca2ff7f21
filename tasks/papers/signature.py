"""A version's folder signed with OpenSSF model-signing: a bundle that lists every file's SHA-256, beside the manifest.

The signature is the one file that is added to a version after it was published: it covers all others, manifest and
card among them, and is covered by none. The library is imported where it is used; it takes a second to load.
"""

from pathlib import Path
from typing import Any

from warehouse.errors import BadInput
from warehouse.manifest import SIGNATURE, load_manifest, verify_version


def sign_version(folder: Path, private_key: Path) -> Path:
    """Sign a version as it was published, with an EC key (P-256, P-384, P-521; PEM, not encrypted); the bundle's path.

    Raises:
        BadInput: the version's files are not what was published, it is signed already, or the key is none of these.
    """
    from model_signing import signing

    verify_version(folder)
    signature = folder / SIGNATURE
    version = load_manifest(folder).version
    if signature.exists():
        raise BadInput(f"{version} is signed already: move {signature} away to sign it anew")
    try:
        signer = signing.Config().use_elliptic_key_signer(private_key=private_key)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise _no_key(private_key, "private", error) from error
    signer.set_hashing_config(_hashing(SIGNATURE, f".{SIGNATURE}.tmp"))
    unfinished = folder / f".{SIGNATURE}.tmp"
    try:
        signer.sign(folder, unfinished)
        unfinished.rename(signature)
    except OSError as error:
        raise BadInput(f"cannot write {signature}: {error.strerror}: sign as who may write the data root") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return signature


def signature_fault(folder: Path, public_key: Path) -> str | None:
    """Why a folder's signature does not hold for this key; None when it does.

    Raises:
        BadInput: the file holds no public key.
    """
    from cryptography.exceptions import InvalidSignature
    from model_signing import verifying

    try:
        verifier = verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise _no_key(public_key, "public", error) from error
    if not is_signed(folder):
        return "is not signed"
    verifier.set_hashing_config(_hashing(SIGNATURE))
    try:
        verifier.verify(folder, folder / SIGNATURE)
    except InvalidSignature:
        return f"has a {SIGNATURE} that this key did not make"
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return f"has a {SIGNATURE} that does not hold: {' '.join(str(error).split()) or type(error).__name__}"
    return None


def is_signed(folder: Path) -> bool:
    """Whether there is a signature at all; by whom, only a public key tells."""
    return (folder / SIGNATURE).exists()


def _hashing(*ignored: str) -> Any:
    from model_signing import hashing

    return hashing.Config().set_ignored_paths(paths=[Path(name) for name in ignored], ignore_git_paths=False)


def _no_key(path: Path, kind: str, error: Exception) -> BadInput:
    why = error.strerror if isinstance(error, OSError) else " ".join(str(error).split()) or type(error).__name__
    return BadInput(
        f"{path} is no {kind} EC key ({why}): give a PEM file of P-256, P-384 or P-521, the private one not encrypted"
    )
