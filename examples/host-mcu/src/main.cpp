// Asks the AT module for its version every five seconds, and prints its reply on the monitor.
#include <Arduino.h>

// USART1 of the Nucleo-F411RE: RX is PA10 (D2), TX is PA9 (D8). TX goes to the module's RX, RX to its TX.
// `pio run -t info_at` prints the module's pins. For another board, put its own UART here.
HardwareSerial AtModule(PA10, PA9);

void setup() {
  Serial.begin(115200);
  AtModule.begin(115200); // as the module: uart_baudrate of its parameters
}

void loop() {
  bool replied = false;
  AtModule.print("AT+GMR\r\n");
  for (uint32_t start = millis(); millis() - start < 1000;) {
    if (AtModule.available()) {
      Serial.write(AtModule.read());
      replied = true;
    }
  }
  if (!replied) Serial.println("no reply: compare the wires with what pio run -t info_at prints");
  delay(4000);
}
