"""The other side of Modbus TCP, made of pymodbus (Debian package python3-pymodbus).

modbus-peer.py serve <port>                  a device with registers; prints "ready" once it listens
modbus-peer.py write <port> <json>           [{"unit", "address", "type", "order", "value"}]
modbus-peer.py read <port> <json>            the same without "value"; prints the values as a JSON list
"""
import asyncio
import json
import sys

from pymodbus.client import ModbusTcpClient
from pymodbus.constants import Endian
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.payload import BinaryPayloadBuilder, BinaryPayloadDecoder
from pymodbus.server import StartAsyncTcpServer

# (order of the bytes in a register, order of the registers) for the bytes ABCD of a 32-bit value.
ORDERS = {
    "ABCD": (Endian.Big, Endian.Big),
    "CDAB": (Endian.Big, Endian.Little),
    "BADC": (Endian.Little, Endian.Big),
    "DCBA": (Endian.Little, Endian.Little),
}
METHODS = {
    "int16": "16bit_int",
    "uint16": "16bit_uint",
    "int32": "32bit_int",
    "uint32": "32bit_uint",
    "int64": "64bit_int",
    "uint64": "64bit_uint",
    "float32": "32bit_float",
    "float64": "64bit_float",
}
LENGTHS = {"16": 1, "32": 2, "64": 4}


def fan_coil():
    """The registers of a fan-coil unit: tenths of a degree, setpoint 17.0, air 19.5."""
    return ModbusSlaveContext(
        hr=ModbusSequentialDataBlock(0, [170, 1] + [0] * 198),
        ir=ModbusSequentialDataBlock(0, [195, 40, 20, 0, 170]),
        co=ModbusSequentialDataBlock(0, [0] * 16),
        di=ModbusSequentialDataBlock(0, [0] * 16),
        zero_mode=True,
    )


async def serve(port):
    context = ModbusServerContext(slaves={unit: fan_coil() for unit in range(1, 41)}, single=False)
    server = await StartAsyncTcpServer(context=context, address=("127.0.0.1", port), defer_start=True, allow_reuse_address=True)
    listening = asyncio.ensure_future(server.serve_forever())
    await server.serving
    print("ready", flush=True)
    await listening


def payload(item):
    byte, word = ORDERS[item["order"]]
    builder = BinaryPayloadBuilder(byteorder=byte, wordorder=word)
    getattr(builder, "add_" + METHODS[item["type"]])(item["value"])
    return builder.build()


def decoded(item, registers):
    byte, word = ORDERS[item["order"]]
    decoder = BinaryPayloadDecoder.fromRegisters(registers, byteorder=byte, wordorder=word)
    return getattr(decoder, "decode_" + METHODS[item["type"]])()


def talk(verb, port, items):
    client = ModbusTcpClient("127.0.0.1", port=port, timeout=3)
    client.connect()
    values = []
    for item in items:
        if verb == "write":
            answer = client.write_registers(item["address"], payload(item), slave=item["unit"], skip_encode=True)
        else:
            count = LENGTHS[item["type"][-2:]]
            answer = client.read_holding_registers(item["address"], count, slave=item["unit"])
        if answer.isError():
            raise SystemExit(str(answer))
        if verb == "read":
            values.append(decoded(item, answer.registers))
    client.close()
    print(json.dumps(values))


if sys.argv[1] == "serve":
    asyncio.run(serve(int(sys.argv[2])))
else:
    talk(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
