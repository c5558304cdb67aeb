#include <Arduino.h>

void setup() { Serial.begin(115200); }

void loop() {
  Serial.println("This is the sketch. pio run -t upload_at puts the AT firmware in its place.");
  delay(1000);
}
