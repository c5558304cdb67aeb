// Sends AT to the module and shows its answers. Wire the UART below to the pins that info_at shows: TX to RX.
#include <Arduino.h>

HardwareSerial AtModule(PA10, PA9);

void setup() {
  Serial.begin(115200);
  AtModule.begin(115200);
}

void loop() {
  AtModule.print("AT+GMR\r\n");
  for (uint32_t start = millis(); millis() - start < 1000;) {
    if (AtModule.available()) Serial.write(AtModule.read());
  }
}
