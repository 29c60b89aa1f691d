"""Why a directory could not tell. The text is for logs and operators, never for whoever signs in."""


class DirectoryFault(Exception):
    """The directory was asked, or would have been, and there is no answer to go by."""


class ServerFault(DirectoryFault):
    """This server is down, not who it says, or makes no sense: another one of the same directory may do."""


class UncertainFault(ServerFault):
    """It happened after a request that must not be made twice had been sent."""
