"""What to train on."""

from model.errors import DeviceError


def described(device: str) -> str:
    """Return the device in words, such as ``CPU, 2 threads``: a GPU's name, or a CPU's threads."""
    import torch

    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return f"CPU, {torch.get_num_threads()} threads"


def device_named(name: str) -> str:
    """Return the device that ``--device`` names, ``auto`` resolved.

    Raises:
        DeviceError: there is no such device here.
    """
    if name == "cpu":
        return name
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise DeviceError(f"--device {name} is unknown; give auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"--device {name}: this machine has {torch.cuda.device_count()} CUDA GPUs; give cpu"
        )
    return name
