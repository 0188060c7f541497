KILLS = 10
VICTIMS = ()
async def trial(**_): raise NotImplementedError
